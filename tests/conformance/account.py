"""An AWS account in moto that has one of everything a runbook may ask for, each made when it is first wanted."""

import base64
import io
import zipfile
from functools import cached_property
from typing import Any, Final, TypeAlias

from infra.aws import AwsSession
from infra.aws_errors import AwsRefused

NAME: Final = "conformance"
ACCOUNT: Final = "123456789012"
TRUST: Final = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},'
POLICY: Final = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'
TEMPLATE: Final = '{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}'


class Account:
    """Ids, names and ARNs of things that are there."""

    def __init__(self, aws: AwsSession) -> None:
        self._aws = aws
        self.region = aws.region

    def _call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        return self._aws.call(service, operation, params)

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{rest}"

    # -- EC2

    @cached_property
    def vpc(self) -> str:
        """A VPC of its own."""
        return str(self._call("ec2", "CreateVpc", CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"])

    @property
    def zone(self) -> str:
        """An availability zone."""
        return f"{self.region}a"

    @cached_property
    def subnet(self) -> str:
        """A subnet of the VPC."""
        params = {"VpcId": self.vpc, "CidrBlock": "10.20.1.0/24", "AvailabilityZone": self.zone}
        return str(self._call("ec2", "CreateSubnet", **params)["Subnet"]["SubnetId"])

    @cached_property
    def other_subnet(self) -> str:
        """A subnet in another zone."""
        params = {"VpcId": self.vpc, "CidrBlock": "10.20.2.0/24", "AvailabilityZone": f"{self.region}b"}
        return str(self._call("ec2", "CreateSubnet", **params)["Subnet"]["SubnetId"])

    @cached_property
    def security_group(self) -> str:
        """A group that lets SSH in from everywhere."""
        group = str(
            self._call("ec2", "CreateSecurityGroup", GroupName=NAME, Description=NAME, VpcId=self.vpc)["GroupId"]
        )
        world = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self._call("ec2", "AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[world])
        return group

    @cached_property
    def base_image(self) -> str:
        """An image that instances are launched from."""
        device = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8, "VolumeType": "gp3"}}
        params = {"Name": "base", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [device]}
        return str(self._call("ec2", "RegisterImage", **params)["ImageId"])

    @cached_property
    def instance(self) -> str:
        """A running instance."""
        tags = [{"Key": "Name", "Value": NAME}, {"Key": "Environment", "Value": "test"}]
        params = {
            "ImageId": self.base_image, "MinCount": 1, "MaxCount": 1, "SubnetId": self.subnet,
            "InstanceType": "t3.micro", "SecurityGroupIds": [self.security_group],
            "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}],
        }  # fmt: skip
        return str(self._call("ec2", "RunInstances", **params)["Instances"][0]["InstanceId"])

    @cached_property
    def image(self) -> str:
        """An image of the instance."""
        return str(self._call("ec2", "CreateImage", InstanceId=self.instance, Name=NAME)["ImageId"])

    @cached_property
    def volume(self) -> str:
        """A volume that is attached to nothing."""
        params = {"AvailabilityZone": self.zone, "Size": 8, "VolumeType": "gp2"}
        return str(self._call("ec2", "CreateVolume", **params)["VolumeId"])

    @cached_property
    def snapshot(self) -> str:
        """A snapshot of the volume."""
        return str(self._call("ec2", "CreateSnapshot", VolumeId=self.volume)["SnapshotId"])

    @cached_property
    def allocation(self) -> str:
        """An elastic address nobody uses."""
        return str(self._call("ec2", "AllocateAddress", Domain="vpc")["AllocationId"])

    @cached_property
    def key_pair(self) -> str:
        """The name of a key pair."""
        self._call("ec2", "CreateKeyPair", KeyName=NAME)
        return NAME

    @cached_property
    def interface(self) -> str:
        """A network interface."""
        return str(
            self._call("ec2", "CreateNetworkInterface", SubnetId=self.subnet)["NetworkInterface"]["NetworkInterfaceId"]
        )

    @cached_property
    def internet_gateway(self) -> str:
        """A gateway at the VPC."""
        gateway = str(self._call("ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"])
        self._call("ec2", "AttachInternetGateway", InternetGatewayId=gateway, VpcId=self.vpc)
        return gateway

    @cached_property
    def route_table(self) -> str:
        """A route table of the VPC."""
        return str(self._call("ec2", "CreateRouteTable", VpcId=self.vpc)["RouteTable"]["RouteTableId"])

    @cached_property
    def network_acl(self) -> str:
        """A network ACL of the VPC."""
        return str(self._call("ec2", "CreateNetworkAcl", VpcId=self.vpc)["NetworkAcl"]["NetworkAclId"])

    @cached_property
    def transit_gateway(self) -> str:
        """A transit gateway."""
        return str(self._call("ec2", "CreateTransitGateway")["TransitGateway"]["TransitGatewayId"])

    @cached_property
    def launch_template(self) -> str:
        """A launch template."""
        data = {"ImageId": self.base_image, "InstanceType": "t3.micro"}
        params = {"LaunchTemplateName": NAME, "LaunchTemplateData": data}
        return str(self._call("ec2", "CreateLaunchTemplate", **params)["LaunchTemplate"]["LaunchTemplateId"])

    @cached_property
    def auto_scaling_group(self) -> str:
        """A group of one instance."""
        params = {
            "AutoScalingGroupName": NAME, "LaunchConfigurationName": self.launch_configuration, "MinSize": 1,
            "MaxSize": 3, "DesiredCapacity": 1, "VPCZoneIdentifier": self.subnet,
        }  # fmt: skip
        self._call("autoscaling", "CreateAutoScalingGroup", **params)
        return NAME

    @cached_property
    def launch_configuration(self) -> str:
        """The name of a launch configuration."""
        params = {"ImageId": self.base_image, "InstanceType": "t3.micro"}
        self._call("autoscaling", "CreateLaunchConfiguration", LaunchConfigurationName=NAME, **params)
        return NAME

    # -- load balancers and DNS

    @cached_property
    def load_balancer(self) -> str:
        """The ARN of an application load balancer."""
        params = {"Name": NAME, "Subnets": [self.subnet, self.other_subnet], "SecurityGroups": [self.security_group]}
        return str(self._call("elbv2", "CreateLoadBalancer", **params)["LoadBalancers"][0]["LoadBalancerArn"])

    @cached_property
    def target_group(self) -> str:
        """The ARN of a target group."""
        params = {"Name": NAME, "Protocol": "HTTP", "Port": 80, "VpcId": self.vpc}
        return str(self._call("elbv2", "CreateTargetGroup", **params)["TargetGroups"][0]["TargetGroupArn"])

    @cached_property
    def classic_load_balancer(self) -> str:
        """The name of a classic load balancer."""
        listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}
        self._call("elb", "CreateLoadBalancer", LoadBalancerName=NAME, Listeners=[listener], Subnets=[self.subnet])
        return NAME

    # -- storage and data

    @cached_property
    def bucket(self) -> str:
        """The name of a bucket with one object."""
        return self._bucket("conformance-bucket")

    @cached_property
    def other_bucket(self) -> str:
        """The name of another bucket."""
        return self._bucket("conformance-target")

    def _bucket(self, name: str) -> str:
        self._call("s3", "CreateBucket", Bucket=name, CreateBucketConfiguration={"LocationConstraint": self.region})
        self._call("s3", "PutObject", Bucket=name, Key="key", Body=b"content")
        return name

    @cached_property
    def table(self) -> str:
        """The name of a DynamoDB table with provisioned capacity."""
        params = {
            "TableName": NAME, "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        }  # fmt: skip
        self._call("dynamodb", "CreateTable", **params)
        return NAME

    @cached_property
    def db_instance(self) -> dict[str, Any]:
        """An RDS instance."""
        params = {
            "DBInstanceIdentifier": NAME, "DBInstanceClass": "db.t3.micro", "Engine": "mysql", "AllocatedStorage": 20,
            "MasterUsername": "admin", "MasterUserPassword": "swordfish-1", "BackupRetentionPeriod": 1,
        }  # fmt: skip
        found: dict[str, Any] = self._call("rds", "CreateDBInstance", **params)["DBInstance"]
        return found

    @cached_property
    def db_cluster(self) -> dict[str, Any]:
        """An Aurora cluster."""
        params = {
            "DBClusterIdentifier": "conformance-cluster", "Engine": "aurora-mysql", "MasterUsername": "admin",
            "MasterUserPassword": "swordfish-1",
        }  # fmt: skip
        found: dict[str, Any] = self._call("rds", "CreateDBCluster", **params)["DBCluster"]
        return found

    @cached_property
    def db_snapshot(self) -> str:
        """The identifier of a snapshot of the RDS instance."""
        identifier = self.db_instance["DBInstanceIdentifier"]
        self._call("rds", "CreateDBSnapshot", DBInstanceIdentifier=identifier, DBSnapshotIdentifier="conformance-snap")
        return "conformance-snap"

    @cached_property
    def db_cluster_snapshot(self) -> str:
        """The identifier of a snapshot of the Aurora cluster."""
        params = {"DBClusterIdentifier": self.db_cluster["DBClusterIdentifier"]}
        self._call("rds", "CreateDBClusterSnapshot", DBClusterSnapshotIdentifier="conformance-cluster-snap", **params)
        return "conformance-cluster-snap"

    @cached_property
    def redshift(self) -> str:
        """The identifier of a Redshift cluster."""
        params = {"NodeType": "ra3.large", "MasterUsername": "admin", "MasterUserPassword": "Swordfish1"}
        self._call("redshift", "CreateCluster", ClusterIdentifier=NAME, **params)
        return NAME

    @cached_property
    def file_system(self) -> str:
        """An EFS file system."""
        return str(self._call("efs", "CreateFileSystem", CreationToken=NAME)["FileSystemId"])

    # -- identity and secrets

    @cached_property
    def role(self) -> str:
        """The ARN of a role that automations may assume."""
        document = f'{TRUST}"Action":"sts:AssumeRole"}}]}}'
        made = self._call("iam", "CreateRole", RoleName=NAME, AssumeRolePolicyDocument=document)
        return str(made["Role"]["Arn"])

    @property
    def role_name(self) -> str:
        """The role's name."""
        return self.role.rpartition("/")[2]

    @cached_property
    def user(self) -> dict[str, Any]:
        """A user with a policy of its own and an access key."""
        found: dict[str, Any] = self._call("iam", "CreateUser", UserName=NAME)["User"]
        self._call("iam", "PutUserPolicy", UserName=NAME, PolicyName="own", PolicyDocument=POLICY)
        self._call("iam", "CreateAccessKey", UserName=NAME)
        return found

    @cached_property
    def iam_policy(self) -> str:
        """The ARN of a managed policy."""
        return str(self._call("iam", "CreatePolicy", PolicyName=NAME, PolicyDocument=POLICY)["Policy"]["Arn"])

    @cached_property
    def group(self) -> str:
        """The name of an IAM group."""
        self._call("iam", "CreateGroup", GroupName=NAME)
        return NAME

    @cached_property
    def instance_profile(self) -> str:
        """The name of an instance profile that holds the role."""
        self._call("iam", "CreateInstanceProfile", InstanceProfileName=NAME)
        self._call("iam", "AddRoleToInstanceProfile", InstanceProfileName=NAME, RoleName=self.role_name)
        return NAME

    @cached_property
    def kms_key(self) -> dict[str, Any]:
        """A key of KMS."""
        found: dict[str, Any] = self._call("kms", "CreateKey", Description=NAME)["KeyMetadata"]
        return found

    @cached_property
    def secret(self) -> str:
        """The ARN of a secret."""
        return str(self._call("secretsmanager", "CreateSecret", Name=NAME, SecretString='{"a":"b"}')["ARN"])

    @cached_property
    def certificate(self) -> str:
        """The ARN of a certificate."""
        return str(self._call("acm", "RequestCertificate", DomainName="example.com")["CertificateArn"])

    # -- messages, logs, alarms

    @cached_property
    def topic(self) -> str:
        """The ARN of a topic whose name begins as approvals want it."""
        return str(self._call("sns", "CreateTopic", Name="AutomationConformance")["TopicArn"])

    @cached_property
    def queue(self) -> str:
        """The URL of a queue."""
        return str(self._call("sqs", "CreateQueue", QueueName=NAME)["QueueUrl"])

    @cached_property
    def log_group(self) -> str:
        """The name of a log group."""
        self._call("logs", "CreateLogGroup", logGroupName=NAME)
        return NAME

    @cached_property
    def alarm(self) -> str:
        """The name of an alarm in the state OK."""
        params = {
            "AlarmName": NAME, "MetricName": "CPUUtilization", "Namespace": "AWS/EC2", "Statistic": "Average",
            "Period": 60, "EvaluationPeriods": 1, "Threshold": 90.0, "ComparisonOperator": "GreaterThanThreshold",
        }  # fmt: skip
        self._call("cloudwatch", "PutMetricAlarm", **params)
        self._call("cloudwatch", "SetAlarmState", AlarmName=NAME, StateValue="OK", StateReason=NAME)
        return NAME

    @cached_property
    def trail(self) -> str:
        """The name of a trail."""
        self._call("cloudtrail", "CreateTrail", Name=NAME, S3BucketName=self.bucket)
        return NAME

    @cached_property
    def stream(self) -> str:
        """The name of a Kinesis stream."""
        self._call("kinesis", "CreateStream", StreamName=NAME, ShardCount=1)
        return NAME

    @cached_property
    def rule(self) -> str:
        """The name of an EventBridge rule."""
        self._call("events", "PutRule", Name=NAME, ScheduleExpression="rate(1 day)")
        return NAME

    # -- compute and deployment

    @cached_property
    def function(self) -> str:
        """The ARN of a Lambda function with a version and an alias."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("index.py", "def handler(event, context):\n    return event\n")
        params = {
            "FunctionName": NAME, "Runtime": "python3.11", "Role": self.role, "Handler": "index.handler",
            "Code": {"ZipFile": code.getvalue()}, "Publish": True,
        }  # fmt: skip
        arn = str(self._call("lambda", "CreateFunction", **params)["FunctionArn"])
        self._call("lambda", "CreateAlias", FunctionName=NAME, Name="live", FunctionVersion="1")
        return arn.removesuffix(":1")

    @property
    def function_name(self) -> str:
        """The function's name."""
        return self.function.rpartition(":")[2]

    @cached_property
    def stack(self) -> str:
        """The name of a stack."""
        self._call("cloudformation", "CreateStack", StackName=NAME, TemplateBody=TEMPLATE)
        return NAME

    @cached_property
    def ecs_cluster(self) -> str:
        """The name of an ECS cluster."""
        self._call("ecs", "CreateCluster", clusterName=NAME)
        return NAME

    @cached_property
    def task_definition(self) -> str:
        """The ARN of a task definition."""
        container = {"name": "web", "image": "web", "memory": 128}
        params = {"family": NAME, "containerDefinitions": [container]}
        return str(self._call("ecs", "RegisterTaskDefinition", **params)["taskDefinition"]["taskDefinitionArn"])

    @cached_property
    def ecs_service(self) -> str:
        """The name of an ECS service."""
        params = {"cluster": self.ecs_cluster, "serviceName": NAME, "taskDefinition": self.task_definition}
        self._call("ecs", "CreateService", desiredCount=1, **params)
        return NAME

    @cached_property
    def eks_cluster(self) -> str:
        """The name of an EKS cluster."""
        network = {"subnetIds": [self.subnet, self.other_subnet]}
        self._call("eks", "CreateCluster", name=NAME, roleArn=self.role, resourcesVpcConfig=network)
        return NAME

    @cached_property
    def rest_api(self) -> str:
        """The id of a REST API."""
        return str(self._call("apigateway", "CreateRestApi", name=NAME)["id"])

    @cached_property
    def code_project(self) -> str:
        """The name of a CodeBuild project."""
        params = {
            "name": NAME, "artifacts": {"type": "NO_ARTIFACTS"},
            "source": {"type": "S3", "location": f"{self.bucket}/key"},
            "environment": {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
            "serviceRole": self.role,
        }  # fmt: skip
        self._call("codebuild", "CreateProject", **params)
        return NAME

    @cached_property
    def distribution(self) -> str:
        """The id of a CloudFront distribution."""
        origin = {
            "Id": "o",
            "DomainName": f"{self.bucket}.s3.amazonaws.com",
            "S3OriginConfig": {"OriginAccessIdentity": ""},
        }
        behaviour = {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all"}
        config = {
            "CallerReference": NAME, "Comment": NAME, "Enabled": True, "DefaultCacheBehavior": behaviour,
            "Origins": {"Quantity": 1, "Items": [origin]},
        }  # fmt: skip
        return str(self._call("cloudfront", "CreateDistribution", DistributionConfig=config)["Distribution"]["Id"])

    # -- Systems Manager

    @cached_property
    def ssm_parameter(self) -> str:
        """The name of a parameter."""
        self._call("ssm", "PutParameter", Name=NAME, Value=NAME, Type="String")
        return NAME

    @cached_property
    def maintenance_window(self) -> str:
        """The id of a maintenance window."""
        params = {"Schedule": "rate(1 day)", "Duration": 2, "Cutoff": 1, "AllowUnassociatedTargets": True}
        return str(self._call("ssm", "CreateMaintenanceWindow", Name=NAME, **params)["WindowId"])

    @property
    def user_data(self) -> str:
        """User data in Base64."""
        return base64.b64encode(b"#!/bin/sh").decode()


Made: TypeAlias = Any


def made(account: Account, path: str) -> Made:
    """A thing, or a member of it: `instance`, `db_instance.DBInstanceArn`. Raises AwsRefused where moto cannot."""
    name, _, member = path.partition(".")
    thing: Any = getattr(account, name)
    try:
        found: Made = thing[member] if member else thing
    except KeyError:
        raise AwsRefused("NotThere", f"moto gives no {member} of a {name}") from None
    return found
