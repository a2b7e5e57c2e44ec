"""AWS: one call at a time, as somebody, in one piece of JSON; refused with sentences; remembered for the trail."""

import io
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws
from moto.core.authorization import enable_iam_authentication

import infra.aws as infra_aws
from infra.aws import NO_ACCOUNT, Aws
from infra.aws_errors import AwsRefused, AwsUnreachable, refusal
from infra.aws_identity import role_session_name

HOME = "123456789012"
OTHER = "111122223333"
ROLE = f"arn:aws:iam::{OTHER}:role/runbooks"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """An empty AWS, and our way to it."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        yield Aws(region="eu-west-1")


class _Raw(io.BytesIO):
    """The body of an answer that never crossed a wire."""

    def stream(self, **_: object) -> Iterator[bytes]:
        """All of it at once."""
        yield self.read()


def _headers(facts: Mapping[str, str]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in facts.items():
        headers[name] = value
    return headers


def answering(aws: Aws, service: str, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Aws:
    """Let every call of a service be answered so, in one attempt."""
    aws._config = aws._config.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
    answer = AWSResponse("https://example.invalid", status, _headers(headers or {}), _Raw(body))
    for manner in ("repeating", "once", "patient"):
        client = aws.client(service, manner=manner)
        client.meta.events.register_first("before-send", lambda **_: answer)
    return aws


# -- who calls


def test_a_process_without_a_role_calls_as_itself(aws: Aws) -> None:
    """Without a role, the caller is the process."""
    assert aws.session().account == HOME
    assert aws.caller_identity()["Arn"] == f"arn:aws:sts::{HOME}:user/moto"


def test_a_role_is_assumed_under_the_persons_name(aws: Aws) -> None:
    """CloudTrail shows the person's name as the role's session name."""
    session = aws.session(ROLE, session_name="Lee Müller@4f2a")

    arn = session.call("sts", "GetCallerIdentity", {})["Arn"]

    assert arn == f"arn:aws:sts::{OTHER}:assumed-role/runbooks/Lee-M-ller@4f2a"
    assert session.account == OTHER


def test_clients_are_shared_and_signatures_are_not(aws: Aws) -> None:
    """Two people and the process use one client; each call is signed as who makes it."""
    people = [aws.session(ROLE, session_name=name) for name in ("lee", "kim")]

    arns = [
        session.call("sts", "GetCallerIdentity", {})["Arn"].rpartition("/")[2]
        for session in (*people, aws.session(), *people)
    ]

    assert arns == ["lee", "kim", "moto", "lee", "kim"]
    assert list(aws._clients) == [("eu-west-1", "sts", "repeating")]


@pytest.mark.parametrize(
    ("service", "write", "read"),
    [
        ("sqs", ("CreateQueue", {"QueueName": "q"}), ("ListQueues", "QueueUrls")),
        ("s3", ("CreateBucket", {"Bucket": "b-1", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}),
         ("ListBuckets", "Buckets")),
        ("sns", ("CreateTopic", {"Name": "t"}), ("ListTopics", "Topics")),
        ("ec2", ("CreateVpc", {"CidrBlock": "10.9.0.0/16"}), ("DescribeVpcs", "Vpcs")),
        ("ssm", ("PutParameter", {"Name": "p", "Value": "v", "Type": "String"}), ("DescribeParameters", "Parameters")),
    ],
)  # fmt: skip
def test_every_protocol_signs_as_the_role(
    aws: Aws, service: str, write: tuple[str, dict[str, Any]], read: tuple[str, str]
) -> None:
    """What a role creates stands in the role's account and not in ours, whichever protocol the service speaks."""
    session, home = aws.session(ROLE), aws.session()
    before = len(home.call(service, read[0], {}).get(read[1]) or [])

    session.call(service, *write)

    assert len(session.call(service, read[0], {}).get(read[1]) or []) == before + 1
    assert len(home.call(service, read[0], {}).get(read[1]) or []) == before


def test_a_role_is_assumed_once_by_many_threads(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty-two threads that need the same role at once assume it once."""
    assumed: list[str] = []
    plain = Aws._assume

    def counted(self: Aws, identity: Any) -> dict[str, str]:
        assumed.append(identity.role_arn)
        return plain(self, identity)

    monkeypatch.setattr(Aws, "_assume", counted)
    accounts: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: accounts.append(aws.session(ROLE).call("sts", "GetCallerIdentity", {})["Account"])
        )
        for _ in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (accounts, assumed) == ([OTHER] * 32, [ROLE])


def test_a_role_is_renewed_before_it_expires(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials with five minutes left are renewed before the next call."""
    lives = [timedelta(minutes=5), timedelta(hours=1)]

    def assume(self: Aws, identity: Any) -> dict[str, str]:
        expiry = datetime.now(UTC) + lives.pop(0)
        return {"access_key": "A", "secret_key": "S", "token": "T", "expiry_time": expiry.isoformat()}

    monkeypatch.setattr(Aws, "_assume", assume)
    session = aws.session(ROLE)
    for _ in range(3):
        session.call("sts", "GetCallerIdentity", {})

    assert lives == []


def test_an_external_id_is_given_when_the_role_is_assumed(aws: Aws) -> None:
    """A role of another company is assumed with its external id."""
    seen: list[Mapping[str, Any]] = []
    aws.client("sts").meta.events.register(
        "provide-client-params.sts.AssumeRole", lambda params, **_: seen.append(params)
    )

    aws.session(ROLE, external_id="agreed").call("sts", "GetCallerIdentity", {})

    assert seen == [
        {"RoleArn": ROLE, "RoleSessionName": "playbook-bot", "ExternalId": "agreed", "DurationSeconds": 3600}
    ]


def test_old_identities_are_forgotten(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many people and executions there are, the credentials kept are bounded."""
    monkeypatch.setattr(infra_aws, "MOST_IDENTITIES", 3)
    for number in range(10):
        aws.session(ROLE, session_name=f"person-{number}").call("sts", "GetCallerIdentity", {})

    assert [identity.session_name for identity in aws._credentials] == ["person-7", "person-8", "person-9"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("lee@4f2a", "lee@4f2a"), ("Zoë Ω", "Zo"), ("a", "playbook-bot"), ("", "playbook-bot"), ("x" * 90, "x" * 64)],
)
def test_any_name_becomes_a_session_name(name: str, expected: str) -> None:
    """RoleSessionName takes 2 to 64 characters of a small alphabet."""
    assert role_session_name(name) == expected


def test_an_account_that_aws_does_not_tell_is_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials a pure runbook still runs; its account is twelve zeros, and calls say what is missing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    session = Aws(region="eu-west-1").session()

    assert session.account == NO_ACCOUNT
    with pytest.raises(AwsUnreachable, match="credentials"):
        session.call("ec2", "DescribeInstances", {})


def test_nothing_is_opened_before_the_first_call() -> None:
    """Making the object, or a session of it, looks nothing up."""
    aws = Aws(region="eu-west-1")
    aws.session(ROLE)

    assert "_home" not in vars(aws)


def test_a_missing_region_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Region a call names the setting."""
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(AwsUnreachable, match="set AWS_REGION or aws_region"):
        Aws().session().call("ec2", "DescribeInstances", {})


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("us-iso-east-1", "aws-iso"),
     ("us-isob-east-1", "aws-iso-b"), ("", "aws")],
)  # fmt: skip
def test_the_partition_follows_from_the_region(aws: Aws, region: str, partition: str) -> None:
    """ARNs of China and of the government have other partitions."""
    assert aws.session(region=region or "eu-west-1").partition == partition


# -- what is called


@pytest.mark.parametrize(
    ("service", "operation"),
    [("ec2", "DescribeInstances"), ("EC2", "describe_instances"), ("Ec2", "describeInstances")],
)
def test_any_spelling_is_understood(aws: Aws, service: str, operation: str) -> None:
    """Runbooks spell services and operations as they like."""
    session = aws.session()

    assert session.call(service, operation, {})["Reservations"] == []
    assert [(call.service, call.operation) for call in session.drain()] == [("ec2", "DescribeInstances")]


@pytest.mark.parametrize(
    ("service", "operation", "sentence"),
    [
        ("cloudwach", "DescribeAlarms", 'There is no AWS service "cloudwach". Did you mean "cloudwatch"?'),
        ("ec2", "DescribeInstance", 'ec2 has no operation "DescribeInstance". Did you mean "DescribeInstances"?'),
        ("ec2", "Xyzzy", 'ec2 has no operation "Xyzzy".'),
        ("rds", "RebootDatabase", "rds has no operation"),
    ],
)
def test_what_does_not_exist_is_refused_with_a_suggestion(
    aws: Aws, service: str, operation: str, sentence: str
) -> None:
    """An unknown service or operation never leaves, and the nearest name is told."""
    session = aws.session()

    with pytest.raises(AwsRefused) as refused:
        session.call(service, operation, {})

    assert str(refused.value).startswith(sentence)
    assert session.drain() == []


def test_inputs_that_do_not_fit_never_leave(aws: Aws) -> None:
    """Botocore's finding is told in one line, and no call is recorded."""
    session = aws.session()

    with pytest.raises(AwsRefused, match='Missing required parameter in input: "InstanceIds"') as refused:
        session.call("ec2", "StopInstances", {})

    assert refused.value.is_invalid_input
    assert session.drain() == []


def test_a_call_may_go_to_another_region(aws: Aws) -> None:
    """A step may name a Region of its own."""
    session = aws.session()
    session.call("sqs", "CreateQueue", {"QueueName": "far"}, region="us-east-1")

    assert session.call("sqs", "ListQueues", {}).get("QueueUrls") is None
    assert [call.region for call in session.drain()] == ["us-east-1", "eu-west-1"]


# -- what it answers


def test_moments_are_iso_8601(aws: Aws) -> None:
    """Answers are JSON: moments are text with a zone."""
    session = aws.session()
    session.call("ec2", "RunInstances", {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1})

    launched = session.call("ec2", "DescribeInstances", {})["Reservations"][0]["Instances"][0]["LaunchTime"]

    assert datetime.fromisoformat(launched).tzinfo is not None


def test_a_streamed_answer_is_read(aws: Aws) -> None:
    """Lambda's answer is a stream; it comes as text."""
    answering(aws, "lambda", 200, b'{"healthy": true}')

    found = aws.session().call("lambda", "Invoke", {"FunctionName": "check"})

    assert found["Payload"] == '{"healthy": true}'


def test_a_stream_without_end_is_refused(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object of gigabytes does not fill the memory."""
    monkeypatch.setattr("infra.aws_calls.LARGEST_STREAM", 10)
    session = answering(aws, "s3", 200, b"x" * 11).session()

    with pytest.raises(AwsRefused, match="more than 10 bytes"):
        session.call("s3", "GetObject", {"Bucket": "bucket", "Key": "key"})


@pytest.mark.parametrize(("blob", "text"), [(b"plain", "plain"), (b"\xff\xfe", "//4=")])
def test_blobs_are_text(aws: Aws, blob: bytes, text: str) -> None:
    """Bytes are UTF-8 where they can be, else Base64."""
    session = aws.session()
    key = session.call("kms", "CreateKey", {})["KeyMetadata"]["KeyId"]
    client = aws.client("kms")
    cipher = client.encrypt(KeyId=key, Plaintext=blob)["CiphertextBlob"]

    assert session.call("kms", "Decrypt", {"CiphertextBlob": cipher})["Plaintext"] == text


# -- how it fails


def test_an_error_keeps_its_facts(aws: Aws) -> None:
    """Code, operation and request id survive, and AWS's own sentence is the message."""
    session = aws.session()

    with pytest.raises(AwsRefused) as refused:
        session.call("ec2", "StopInstances", {"InstanceIds": ["i-0123456789abcdef0"]})

    error = refused.value
    assert (error.code, error.operation) == ("InvalidInstanceID.NotFound", "StopInstances")
    assert str(error).startswith("An error occurred (InvalidInstanceID.NotFound) when calling the StopInstances")
    assert not error.is_denied
    assert not error.is_throttling
    [call] = session.drain()
    assert call.facts()["error"] == "InvalidInstanceID.NotFound"
    assert call.facts()["resource"] == "i-0123456789abcdef0"


@pytest.mark.parametrize(
    ("service", "operation", "code"), [("ec2", "DescribeInstances", "Unauth"), ("ssm", "DescribeParameters", "403")]
)
def test_a_denial_is_a_denial_in_any_shape(aws: Aws, service: str, operation: str, code: str) -> None:
    """Services spell a denial differently; some give nothing but the status."""
    home = aws.session()
    home.call("iam", "CreateUser", {"UserName": "nobody"})
    key = home.call("iam", "CreateAccessKey", {"UserName": "nobody"})["AccessKey"]
    denied = Aws(region="eu-west-1")
    denied._home.set_credentials(key["AccessKeyId"], key["SecretAccessKey"])

    with enable_iam_authentication(), pytest.raises(AwsRefused) as refused:
        denied.session().call(service, operation, {})

    assert refused.value.is_denied
    assert refused.value.code.startswith(code) or refused.value.code.startswith("AccessDenied")


def test_throttling_is_told_apart(aws: Aws) -> None:
    """A throttled call is worth another try."""
    body = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
    session = answering(aws, "ssm", 400, body, {"x-amzn-requestid": "r-1"}).session()

    with pytest.raises(AwsRefused) as refused:
        session.call("ssm", "DescribeParameters", {})

    assert refused.value.is_throttling
    assert refused.value.request_id == "r-1"


def test_an_aws_that_is_not_there_is_unreachable() -> None:
    """No answer is not an answer; the attempt is in the trail."""
    with mock_aws(config={"core": {"passthrough": {"urls": ["http://127.0.0.1"]}}}):
        aws = Aws(region="eu-west-1", endpoint_url="http://127.0.0.1:9")
        aws._config = aws._config.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
        session = aws.session()

        with pytest.raises(AwsUnreachable, match="ec2:DescribeInstances got no answer"):
            session.call("ec2", "DescribeInstances", {})

    assert [call.error for call in session.drain()] == ["EndpointConnectionError"]


@pytest.mark.parametrize(
    ("operation", "params", "attempts"),
    [("DescribeParameters", {}, 4), ("SendCommand", {"DocumentName": "AWS-RunShellScript"}, 1)],
)
def test_a_lost_answer_is_repeated_only_where_that_is_harmless(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, operation: str, params: dict[str, Any], attempts: int
) -> None:
    """A command is never sent twice because the network hung; a description is asked for again."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    tries: list[int] = []

    def hang(**_: object) -> None:
        tries.append(1)
        raise ReadTimeoutError(endpoint_url="https://example.invalid")

    for manner in ("repeating", "once", "patient"):
        aws.client("ssm", manner=manner).meta.events.register_first("before-send", hang)
    with pytest.raises(AwsUnreachable, match="got no answer") as unreachable:
        aws.session().call("ssm", operation, params)

    assert len(tries) == attempts
    assert ("may or may not have happened" in str(unreachable.value)) is (attempts == 1)


def test_a_function_may_take_its_five_minutes(aws: Aws) -> None:
    """Lambda's Invoke is waited for longer than the function can run, and is never repeated."""
    config = aws.client("lambda", manner="patient").meta.config

    assert config.read_timeout > 300
    assert config.retries["total_max_attempts"] == 1


def test_a_role_that_cannot_be_assumed_says_so(aws: Aws) -> None:
    """The refusal names AssumeRole, not the call that needed the role."""
    body = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"
    session = answering(aws, "sts", 403, body).session(ROLE)

    with pytest.raises(AwsRefused, match="AssumeRole") as refused:
        session.call("ec2", "DescribeInstances", {})

    assert refused.value.is_denied
    assert refused.value.operation == "AssumeRole"


def test_retries_are_counted(aws: Aws) -> None:
    """The trail tells how often a call was repeated before it was answered."""
    session = aws.session()
    attempts: list[int] = []

    def fail_once(**_: object) -> AWSResponse | None:
        attempts.append(1)
        return AWSResponse("https://example.invalid", 500, HTTPHeaders(), _Raw(b"")) if len(attempts) == 1 else None

    aws.client("sqs").meta.events.register_first("before-send", fail_once)
    session.call("sqs", "ListQueues", {})

    assert [call.facts().get("retries") for call in session.drain()] == [1]


# -- what doors need


def test_parameters_are_plain(aws: Aws) -> None:
    """{{ssm:…}} reads String and StringList, and never a SecureString."""
    session = aws.session()
    for name, value, kind in (("a", "one", "String"), ("b", "one,two", "StringList"), ("c", "secret", "SecureString")):
        session.call("ssm", "PutParameter", {"Name": name, "Value": value, "Type": kind})

    assert session.parameter("a") == "one"
    assert session.parameter("b") == ["one", "two"]
    with pytest.raises(AwsRefused, match='"c" is a SecureString, which runbooks may not read'):
        session.parameter("c")
    with pytest.raises(AwsRefused, match="ParameterNotFound"):
        session.parameter("d")


def test_messages_are_received_once_they_are_deleted(aws: Aws) -> None:
    """A message is there until it is deleted."""
    url = aws.session().call("sqs", "CreateQueue", {"QueueName": "alarms"})["QueueUrl"]
    aws.session().call("sqs", "SendMessage", {"QueueUrl": url, "MessageBody": "hello"})

    [message] = aws.receive_messages(url, wait_seconds=0)
    aws.delete_message(url, message["ReceiptHandle"])

    assert message["Body"] == "hello"
    assert aws.receive_messages(url, wait_seconds=0) == []


def test_topics_are_confirmed_and_told(aws: Aws) -> None:
    """A subscription is confirmed by API, and a topic gets a message; the Region is the topic's."""
    session = aws.session()
    topic = session.call("sns", "CreateTopic", {"Name": "Automation-approvals"}, region="us-east-1")["TopicArn"]
    queue = session.call("sqs", "CreateQueue", {"QueueName": "told"}, region="us-east-1")["QueueUrl"]
    session.call(
        "sns", "Subscribe",
        {"TopicArn": topic, "Protocol": "sqs", "Endpoint": f"arn:aws:sqs:us-east-1:{HOME}:told"}, region="us-east-1",
    )  # fmt: skip

    aws.confirm_subscription(topic, "token")
    aws.publish(topic, subject="An approval is needed", message="Please look")

    [message] = session.call("sqs", "ReceiveMessage", {"QueueUrl": queue}, region="us-east-1")["Messages"]
    assert "Please look" in message["Body"]


def test_a_page_in_place_of_an_answer_is_told_in_a_sentence() -> None:
    """A proxy's or an imitation's HTML would fill a card and tell nobody anything; AWS's own sentences stay."""
    response = {"Error": {"Code": "500"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    page = refusal(response, "An error occurred (500): <!doctype html><title>500</title>", "LookupEvents")
    own = refusal({"Error": {"Code": "404"}}, "An error occurred (404): Not Found", "HeadBucket")

    assert str(page) == "AWS answered LookupEvents with HTTP 500, and no reason."
    assert (page.code, page.status) == ("500", 500)
    assert str(own) == "An error occurred (404): Not Found"
