"""Which IAM actions an AWS operation needs: by name, but for the services that check another one. No network.

Sources: AWS Service Authorization Reference, "Actions, resources, and condition keys" of each service; the prefix is
the name under which botocore signs the service's calls, which IAM shares with few exceptions.
"""

import re
from typing import Final

from infra.aws_models import operation_model, operation_name, service_model, service_name

PREFIXES: Final = {
    "monitoring": "cloudwatch",
    "cloudcontrolapi": "cloudformation",
    "IoTSecuredTunneling": "iot",
    "iotdata": "iot",
    "iot-jobs-data": "iotjobsdata",
    "tagging": "tag",
    "mturk-requester": "mechanicalturk",
    "partnercentral-account": "partnercentral",
    "partnercentral-benefits": "partnercentral",
    "partnercentral-channel": "partnercentral",
    "partnercentral-selling": "partnercentral",
}
"""Names for signing that are not IAM's."""
EXCEPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "dynamodb:BatchExecuteStatement": ("dynamodb:PartiQLSelect", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate",
                                       "dynamodb:PartiQLDelete"),
    "dynamodb:ExecuteStatement": ("dynamodb:PartiQLSelect", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate",
                                  "dynamodb:PartiQLDelete"),
    "dynamodb:ExecuteTransaction": ("dynamodb:PartiQLSelect", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate",
                                    "dynamodb:PartiQLDelete"),
    "dynamodb:TransactGetItems": ("dynamodb:GetItem",),
    "dynamodb:TransactWriteItems": ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem",
                                    "dynamodb:ConditionCheckItem"),
    "cloudfront:CreateDistributionWithTags": ("cloudfront:CreateDistribution", "cloudfront:TagResource"),
    "kms:ReEncrypt": ("kms:ReEncryptFrom", "kms:ReEncryptTo"),
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "lambda:InvokeAsync": ("lambda:InvokeFunction",),
    "lambda:InvokeWithResponseStream": ("lambda:InvokeFunction",),
    "lambda:GetLayerVersionByArn": ("lambda:GetLayerVersion",),
    "bedrock:Converse": ("bedrock:InvokeModel",),
    "bedrock:ConverseStream": ("bedrock:InvokeModelWithResponseStream",),
    "bedrock:StartAsyncInvoke": ("bedrock:InvokeModel",),
    "sns:PublishBatch": ("sns:Publish",),
    "sqs:ChangeMessageVisibilityBatch": ("sqs:ChangeMessageVisibility",),
    "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    "sqs:SendMessageBatch": ("sqs:SendMessage",),
    "timestream:Query": ("timestream:Select",),
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
    "s3:CopyObject": ("s3:GetObject", "s3:PutObject"),
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:DeleteBucketCors": ("s3:PutBucketCORS",),
    "s3:DeleteBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:DeleteBucketLifecycle": ("s3:PutLifecycleConfiguration",),
    "s3:DeleteBucketOwnershipControls": ("s3:PutBucketOwnershipControls",),
    "s3:DeleteBucketReplication": ("s3:PutReplicationConfiguration",),
    "s3:DeleteBucketTagging": ("s3:PutBucketTagging",),
    "s3:DeleteObjects": ("s3:DeleteObject",),
    "s3:DeletePublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:GetBucketAccelerateConfiguration": ("s3:GetAccelerateConfiguration",),
    "s3:GetBucketCors": ("s3:GetBucketCORS",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetBucketLifecycle": ("s3:GetLifecycleConfiguration",),
    "s3:GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "s3:GetBucketNotificationConfiguration": ("s3:GetBucketNotification",),
    "s3:GetBucketReplication": ("s3:GetReplicationConfiguration",),
    "s3:GetObjectLockConfiguration": ("s3:GetBucketObjectLockConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListBuckets": ("s3:ListAllMyBuckets",),
    "s3:ListDirectoryBuckets": ("s3express:ListAllMyDirectoryBuckets",),
    "s3:ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:ListObjects": ("s3:ListBucket",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListParts": ("s3:ListMultipartUploadParts",),
    "s3:PutBucketAccelerateConfiguration": ("s3:PutAccelerateConfiguration",),
    "s3:PutBucketCors": ("s3:PutBucketCORS",),
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:PutBucketLifecycle": ("s3:PutLifecycleConfiguration",),
    "s3:PutBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "s3:PutBucketNotificationConfiguration": ("s3:PutBucketNotification",),
    "s3:PutBucketReplication": ("s3:PutReplicationConfiguration",),
    "s3:PutObjectLockConfiguration": ("s3:PutBucketObjectLockConfiguration",),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:SelectObjectContent": ("s3:GetObject",),
    "s3:UploadPart": ("s3:PutObject",),
    "s3:UploadPartCopy": ("s3:GetObject", "s3:PutObject"),
}  # fmt: skip
"""`prefix:Operation` and what IAM checks instead."""
S3_CONTROL: Final = frozenset({"GetPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock"})
"""Of a whole account, not of a bucket."""
_S3_REPORTS: Final = re.compile(
    r"(?P<verb>Get|Put|Delete|List)Bucket(?P<what>Analytics|Inventory|IntelligentTiering|Metrics)Configurations?"
)
_REPORT_VERBS: Final = {"List": "Get", "Delete": "Put"}


def iam_actions(service: str, operation: str) -> tuple[str, ...]:
    """The IAM actions that allow an operation, both in any spelling. Raises AwsRefused for what does not exist."""
    name, operation = service_name(service), operation_name(service, operation)
    prefix = iam_prefix(name)
    if prefix == "apigateway":
        return (f"apigateway:{operation_model(name, operation).http['method']}",)
    if prefix == "execute-api":
        return ("execute-api:ManageConnections",)
    if name == "s3control" and operation in S3_CONTROL:
        return (f"s3:{'Get' if operation.startswith('Get') else 'Put'}AccountPublicAccessBlock",)
    if prefix == "budgets":
        return ("budgets:ViewBudget",) if operation.startswith("Describe") else ("budgets:ModifyBudget",)
    if name == "keyspaces":
        return (_keyspaces(operation),)
    report = _S3_REPORTS.fullmatch(operation) if prefix == "s3" else None
    if report is not None:
        return (f"s3:{_REPORT_VERBS.get(report['verb'], report['verb'])}{report['what']}Configuration",)
    return EXCEPTIONS.get(f"{prefix}:{operation}", (f"{prefix}:{operation}",))


def iam_prefix(service: str) -> str:
    """What stands before the colon in a service's IAM actions."""
    metadata = service_model(service).metadata
    signing = str(metadata.get("signingName") or metadata["endpointPrefix"])
    return PREFIXES.get(signing, signing)


def _keyspaces(operation: str) -> str:
    """Amazon Keyspaces knows CQL's verbs only."""
    verbs = {"Create": "Create", "Delete": "Drop", "Update": "Alter", "Restore": "Restore", "Tag": "TagResource"}
    verb = next((verb for start, verb in verbs.items() if operation.startswith(start)), "Select")
    return f"cassandra:{verb}"
