"""The kinds of resources that people may choose from, by SSM's parameter types. Pure."""

from typing import Final

INSTANCE: Final = "AWS::EC2::Instance::Id"
BUCKET: Final = "AWS::S3::Bucket::Name"
ROLE: Final = "AWS::IAM::Role::Arn"
