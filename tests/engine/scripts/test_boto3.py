"""boto3 in the jail is boto3: clients, resources, waiters, paginators, streams and errors, all through the bot."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from engine.scripts import broker
from engine.scripts.runner import ScriptRunner
from engine.scripts.script import ScriptPolicy
from infra.aws import Aws, AwsSession
from infra.aws_errors import AwsRefused, AwsUnreachable
from tests.engine.scripts.conftest import Jail
from tests.fakes.aws import QuietAws

IMAGE = "ami-12c6146b"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsSession]:
    """An empty AWS, as an execution sees it."""
    with mock_aws():
        yield Aws(region="eu-west-1").session()


def value(jail: Jail, aws: Any, *lines: str, events: Any = None) -> Any:
    """What a handler of these lines returns."""
    end = jail.body("import boto3, json", *lines, events=events, aws=aws)
    assert end.how == "done", (end.failure, end.trace, end.printed)
    return json.loads(end.payload)


def instance_in(aws: AwsSession) -> str:
    """A running instance."""
    found = aws.call("ec2", "RunInstances", {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1})
    return str(found["Instances"][0]["InstanceId"])


def calls(aws: AwsSession) -> list[str]:
    """What the trail would say."""
    return [f"{call.service}:{call.operation}{'!' * bool(call.error)}" for call in aws.drain()]


def test_calls_as_the_execution_and_is_recorded(jail: Jail, aws: AwsSession) -> None:
    """A client's call is made by the bot, answers with botocore's own types, and is in the trail with its resource."""
    instance = instance_in(aws)
    aws.drain()

    found = value(
        jail, aws,
        "ec2 = boto3.client('ec2')",
        "answer = ec2.describe_instances(InstanceIds=[events])",
        "one = answer['Reservations'][0]['Instances'][0]",
        "return one['State']['Name'], one['LaunchTime'].year, answer['ResponseMetadata']['HTTPStatusCode']",
        events=instance,
    )  # fmt: skip

    assert found == ["running", 2026, 200] or found[1] > 2026
    record = aws.drain()[0]
    assert (record.service, record.operation, record.resource) == ("ec2", "DescribeInstances", instance)
    assert record.request_id


def test_has_resources_and_waiters(best_jail: Jail, aws: AwsSession) -> None:
    """boto3.resource works with its collections, actions and waiters."""
    instance = instance_in(aws)

    found = value(
        best_jail, aws,
        "ec2 = boto3.resource('ec2')",
        "one = ec2.Instance(events)",
        "one.stop(); one.wait_until_stopped()",
        "one.create_tags(Tags=[{'Key': 'a', 'Value': 'b'}])",
        "ec2.meta.client.get_waiter('instance_stopped').wait(InstanceIds=[events])",
        "return [(i.id, i.state['Name'], i.tags) for i in ec2.instances.filter(InstanceIds=[events])]",
        events=instance,
    )  # fmt: skip

    assert found == [[instance, "stopped", [{"Key": "a", "Value": "b"}]]]


def test_has_paginators(best_jail: Jail, aws: AwsSession) -> None:
    """A paginator asks page by page."""
    for number in range(5):
        aws.call("ssm", "PutParameter", {"Name": f"/p/{number}", "Value": "x", "Type": "String"})
    aws.drain()

    found = value(
        best_jail, aws,
        "pages = boto3.client('ssm').get_paginator('get_parameters_by_path')",
        "return [p['Name'] for page in pages.paginate(Path='/p', PaginationConfig={'PageSize': 2})"
        " for p in page['Parameters']]",
    )  # fmt: skip

    assert sorted(found) == [f"/p/{number}" for number in range(5)]
    assert calls(aws) == ["ssm:GetParametersByPath"] * 3


def test_raises_client_errors(best_jail: Jail, aws: AwsSession) -> None:
    """AWS's errors arrive as ClientError with code and request id, and as the client's own exception classes."""
    found = value(
        best_jail, aws,
        "from botocore.exceptions import ClientError",
        "ssm = boto3.client('ssm')",
        "try: ssm.get_parameter(Name='none')",
        "except ClientError as error: first = error.response['Error']['Code'], error.operation_name",
        "try: ssm.get_parameter(Name='none')",
        "except ssm.exceptions.ParameterNotFound as error: second = type(error).__name__, str(error)",
        "return first, second",
    )  # fmt: skip

    assert found[0] == ["ParameterNotFound", "GetParameter"]
    assert found[1][0] == "ParameterNotFound"
    assert found[1][1].startswith("An error occurred (ParameterNotFound) when calling the GetParameter operation")
    assert calls(aws) == ["ssm:GetParameter!"] * 2


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("run_instances(Image=1)", 'Unknown parameter in input: "Image"'),
        ("describe_instances(InstanceIds={1})", "Invalid type for parameter InstanceIds"),
        ("describe_instances(InstanceIds='i-1')", "Invalid type for parameter InstanceIds"),
    ],
)
def test_validates_parameters(best_jail: Jail, aws: AwsSession, call: str, said: str) -> None:
    """What does not fit the model is botocore's ParamValidationError, with its report."""
    end = best_jail.body("import boto3", f"boto3.client('ec2').{call}", aws=aws)

    assert end.failure.startswith("ParamValidationError: Parameter validation failed:")
    assert said in end.failure
    assert aws.drain() == []


def test_user_data_is_encoded_once(best_jail: Jail, aws: AwsSession) -> None:
    """Parameters that botocore changes on their way are changed by one of the two botocores only."""
    found = value(
        best_jail, aws,
        "import base64",
        "ec2 = boto3.client('ec2')",
        f"one = ec2.run_instances(ImageId={IMAGE!r}, MinCount=1, MaxCount=1, UserData='#!/bin/sh')",
        "name = one['Instances'][0]['InstanceId']",
        "data = ec2.describe_instance_attribute(InstanceId=name, Attribute='userData')['UserData']['Value']",
        "return base64.b64decode(data).decode()",
    )  # fmt: skip

    assert found == "#!/bin/sh"


def test_policies_are_decoded_once(best_jail: Jail, aws: AwsSession) -> None:
    """Answers that botocore changes arrive as everywhere: a role's policy is a dictionary."""
    found = value(
        best_jail, aws,
        "iam = boto3.client('iam')",
        "policy = json.dumps({'Version': '2012-10-17', 'Statement': []})",
        "iam.create_role(RoleName='r', AssumeRolePolicyDocument=policy)",
        "return iam.get_role(RoleName='r')['Role']['AssumeRolePolicyDocument'], iam.meta.region_name",
    )  # fmt: skip

    assert found == [{"Version": "2012-10-17", "Statement": []}, "aws-global"]


def test_reads_and_writes_objects(best_jail: Jail, aws: AwsSession) -> None:
    """S3's bodies are streams in both directions, byte for byte."""
    found = value(
        best_jail, aws,
        "import io, os",
        "s3 = boto3.client('s3')",
        "s3.create_bucket(Bucket='bbb', CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})",
        "data = bytes(range(256))",
        "s3.put_object(Bucket='bbb', Key='bytes', Body=data, Metadata={'a': 'b'})",
        "s3.put_object(Bucket='bbb', Key='text', Body='één\\ntwo')",
        "s3.put_object(Bucket='bbb', Key='file', Body=io.BytesIO(data))",
        "open('local', 'wb').write(data * 4096 * 10)",
        "s3.upload_file('local', 'bbb', 'large')",
        "s3.download_file('bbb', 'large', 'again')",
        "s3.copy({'Bucket': 'bbb', 'Key': 'text'}, 'bbb', 'copy')",
        "text = boto3.resource('s3').Object('bbb', 'copy').get()['Body']",
        "found = s3.get_object(Bucket='bbb', Key='bytes')",
        "return (found['Body'].read().hex(), found['Metadata'],",
        "    s3.get_object(Bucket='bbb', Key='file')['Body'].read() == data,",
        "    [line.decode() for line in text.iter_lines()], open('again', 'rb').read() == data * 4096 * 10,",
        "    sorted(o['Key'] for o in s3.list_objects_v2(Bucket='bbb')['Contents']))",
    )  # fmt: skip

    assert found[0] == bytes(range(256)).hex()
    assert found[1:] == [{"a": "b"}, True, ["één", "two"], True, ["bytes", "copy", "file", "large", "text"]]


def test_has_tables_with_pythons_own_types(best_jail: Jail, aws: AwsSession) -> None:
    """DynamoDB's resource keeps its Decimals, sets and binaries."""
    found = value(
        best_jail, aws,
        "from decimal import Decimal",
        "from boto3.dynamodb.conditions import Key",
        "db = boto3.resource('dynamodb')",
        "table = db.create_table(TableName='t', BillingMode='PAY_PER_REQUEST',",
        "    KeySchema=[{'AttributeName': 'id', 'KeyType': 'HASH'}],",
        "    AttributeDefinitions=[{'AttributeName': 'id', 'AttributeType': 'S'}])",
        "table.put_item(Item={'id': 'a', 'n': Decimal('1.5'), 's': {'x'}, 'b': b'\\xff\\x00'})",
        "one = table.query(KeyConditionExpression=Key('id').eq('a'))['Items'][0]",
        "return one['n'] == Decimal('1.5'), one['s'] == {'x'}, bytes(one['b']) == b'\\xff\\x00'",
    )  # fmt: skip

    assert found == [True, True, True]


def test_keeps_binary_answers(best_jail: Jail, aws: AwsSession) -> None:
    """A blob in an answer is bytes, whatever they are."""
    found = value(
        best_jail, aws,
        "kms = boto3.client('kms')",
        "key = kms.create_key()['KeyMetadata']['KeyId']",
        "secret = kms.encrypt(KeyId=key, Plaintext=b'\\xff\\x00')['CiphertextBlob']",
        "return type(secret).__name__, list(kms.decrypt(CiphertextBlob=secret)['Plaintext'])",
    )  # fmt: skip

    assert found == ["bytes", [255, 0]]


def test_goes_where_it_is_told(best_jail: Jail, aws: AwsSession) -> None:
    """Regions, sessions, configurations and AWS's own endpoints may be given; another host is not reached."""
    value(
        best_jail, aws,
        "from botocore.config import Config",
        "boto3.client('sqs', region_name='us-east-1').create_queue(QueueName='a')",
        "boto3.session.Session(region_name='us-east-2').client('sqs').create_queue(QueueName='b')",
        "boto3.client('sqs', config=Config(region_name='us-west-2', retries={'max_attempts': 9})).list_queues()",
        "boto3.client('sts', endpoint_url='https://sts.eu-west-1.amazonaws.com').get_caller_identity()",
    )  # fmt: skip
    elsewhere = best_jail.body(
        "import boto3", "boto3.client('sts', endpoint_url='http://10.0.0.1').get_caller_identity()", aws=aws
    )

    assert [call.region for call in aws.drain()] == ["us-east-1", "us-east-2", "us-west-2", "eu-west-1"]
    assert elsewhere.failure == 'EndpointConnectionError: Could not connect to the endpoint URL: "http://10.0.0.1"'


def test_assumes_roles_without_seeing_keys(best_jail: Jail, aws: AwsSession) -> None:
    """A script works in other accounts as it always did; what it holds of the keys is worth nothing elsewhere."""
    found = value(
        best_jail, aws,
        "sts = boto3.client('sts')",
        "keys = sts.assume_role(RoleArn='arn:aws:iam::111122223333:role/x', RoleSessionName='me')['Credentials']",
        "there = boto3.client('sts', aws_access_key_id=keys['AccessKeyId'],",
        "    aws_secret_access_key=keys['SecretAccessKey'], aws_session_token=keys['SessionToken'])",
        "return keys['SecretAccessKey'], keys['SessionToken'], there.get_caller_identity()['Arn'],"
        " sts.get_caller_identity()['Arn'], boto3.session.Session().get_credentials()",
    )  # fmt: skip

    assert found[:2] == [broker.KEPT, broker.KEPT]
    assert found[2].startswith("arn:aws:sts::111122223333:assumed-role/x/me")
    assert found[3].startswith("arn:aws:sts::123456789012:")
    assert found[4] is None


def test_threads_share_the_way_to_aws(best_jail: Jail, aws: AwsSession) -> None:
    """Calls of many threads do not get each other's answers."""
    found = value(
        best_jail, aws,
        "from concurrent.futures import ThreadPoolExecutor",
        "sqs = boto3.client('sqs')",
        "def one(n): return sqs.create_queue(QueueName=f'q{n}')['QueueUrl'].rsplit('/', 1)[1]",
        "with ThreadPoolExecutor(8) as pool: return list(pool.map(one, range(40)))",
    )  # fmt: skip

    assert found == [f"q{number}" for number in range(40)]


def test_refuses_what_is_not_on_the_list(aws: AwsSession, best_jail: Jail) -> None:
    """With an allow-list, other calls are refused as AWS refuses them, are not made, and stand in the trail."""
    instance = instance_in(aws)
    aws.drain()
    runner = ScriptRunner(ScriptPolicy(allowed_calls=("ec2:Describe*", "sts:getcalleridentity")))
    jail = Jail(runner, best_jail.kind)

    found = value(
        jail, aws,
        "from botocore.exceptions import ClientError",
        "ec2 = boto3.client('ec2')",
        "state = ec2.describe_instances(InstanceIds=[events])['Reservations'][0]['Instances'][0]['State']['Name']",
        "boto3.client('sts').get_caller_identity()",
        "try: ec2.terminate_instances(InstanceIds=[events])",
        "except ClientError as error: return state, error.response['Error']",
        events=instance,
    )  # fmt: skip
    runner.close()

    sentence = "scripts may not call ec2:TerminateInstances here (allowed: ec2:Describe*, sts:getcalleridentity)"
    assert found == ["running", {"Code": "AccessDeniedException", "Message": f"playbook-bot: {sentence}"}]
    records = aws.drain()
    assert [(r.operation, r.error) for r in records][-1] == ("TerminateInstances", "NotAllowedForScripts")
    assert records[-1].resource == instance
    state = aws.call("ec2", "DescribeInstances", {})["Reservations"][0]["Instances"][0]["State"]["Name"]
    assert state == "running"


def test_stops_calls_that_run_away(best_jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten thousand calls there are no more."""
    monkeypatch.setattr(broker, "MOST_CALLS", 3)
    aws = QuietAws(answers={"sts:GetCallerIdentity": {"Account": "1"}})

    end = best_jail.body("import boto3", "sts = boto3.client('sts')", "while True: sts.get_caller_identity()", aws=aws)

    assert "a script may make 3 calls, and this one has" in end.failure
    assert len(aws.asked) == 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AwsUnreachable("ec2:StopInstances got no answer"), "HTTPClientError"),
        (AwsRefused("Throttling", "Rate exceeded", status=400), "ClientError"),
        (AwsRefused("ParamValidation", "Missing X"), "ParamValidationError"),
    ],
)
def test_understands_errors_without_botocore_behind_them(best_jail: Jail, error: Exception, said: str) -> None:
    """An AWS that is not botocore's (a rehearsal's) can refuse, too."""

    def fail(_: Any) -> Any:
        raise error

    aws = QuietAws(answers={"sts:GetCallerIdentity": fail})

    end = best_jail.body("import boto3", "boto3.client('sts').get_caller_identity()", aws=aws)

    assert end.failure.startswith(said)


def test_missing_credentials_are_named(best_jail: Jail) -> None:
    """Where the bot has no credentials, the script gets botocore's own exception."""
    end = best_jail.body("import boto3", "boto3.client('sts').get_caller_identity()", aws=NoCredentials())

    assert end.failure == "NoCredentialsError: Unable to locate credentials"


class NoCredentials(QuietAws):
    """An AWS whose caller is nobody."""

    def call(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Fails as the real one does without credentials."""
        from botocore.exceptions import NoCredentialsError

        raise AwsUnreachable("sts:GetCallerIdentity could not be called") from NoCredentialsError()


def test_gives_plain_answers_their_types(best_jail: Jail) -> None:
    """Answers of JSON's types (a rehearsal's) become times, bytes and streams by the operation's model."""
    aws = QuietAws(
        answers={
            "ec2:DescribeInstances": {"Reservations": [{"Instances": [{"LaunchTime": "2026-11-24T03:02:10Z"}]}]},
            "lambda:Invoke": {"StatusCode": 200, "Payload": '{"a": 1}'},
            "kms:Decrypt": {"Plaintext": "text"},
        }
    )
    found = value(
        best_jail, aws,
        "one = boto3.client('ec2').describe_instances()['Reservations'][0]['Instances'][0]",
        "payload = boto3.client('lambda').invoke(FunctionName='f', Payload=json.dumps({}))['Payload']",
        "return one['LaunchTime'].isoformat(), json.load(payload),"
        " boto3.client('kms').decrypt(CiphertextBlob=b'x')['Plaintext'] == b'text'",
    )  # fmt: skip

    assert found == ["2026-11-24T03:02:10+00:00", {"a": 1}, True]


def test_an_answer_that_is_too_large_is_an_error(best_jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit through the channel is an exception in the script, not its end."""
    monkeypatch.setattr("engine.scripts.inside.wire.LARGEST_BINARY", 1000)
    with mock_aws():
        aws = Aws(region="eu-west-1").session()
        aws.call(
            "s3", "CreateBucket", {"Bucket": "bbb", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
        )
        aws.call("s3", "PutObject", {"Bucket": "bbb", "Key": "k", "Body": b"x" * 2000})

        found = value(
            best_jail, aws,
            "try: boto3.client('s3').get_object(Bucket='bbb', Key='k')",
            "except Exception as error: return str(error)",
        )  # fmt: skip

    assert "a value of more than 1,000 bytes is too large for a script" in found
