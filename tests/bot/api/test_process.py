"""`playbook-bot api`: the address first, survival, and real HTTP."""

import http.client
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from bot.api.door import LARGEST_BODY
from tests.bot.api.processes import KEY, SECRET, ApiProcess
from tests.bot.api.test_door import OPERATIONS
from tests.bot.api.worlds import LEE, ask, hold, nap, runbook

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the process keeps its rows."""
    return tmp_path / "data" / "api"


@pytest.fixture
def api(folder: Path) -> Iterator[ApiProcess]:
    """A running process."""
    folder.parent.mkdir()
    process = ApiProcess(folder)
    yield process
    if process.process.poll() is None:
        process.stop()


def test_it_prints_its_address_first_and_stops_when_told(api: ApiProcess) -> None:
    """A loopback address; a clean end."""
    assert urlsplit(api.url).hostname == "127.0.0.1"
    assert urlsplit(api.url).scheme == "http"
    assert api.client().list_documents()["DocumentIdentifiers"] == []
    assert api.stop() == 0


def test_a_killed_process_goes_on_where_it_was(api: ApiProcess, folder: Path) -> None:
    """Documents, tokens, questions and what runs are all in the rows."""
    client, token = api.client(), str(uuid.uuid4())
    client.create_document(Name="Story", Content=runbook(nap("before"), ask(), nap("after")), DocumentType="Automation")
    started = client.start_automation_execution(DocumentName="Story", ClientToken=token)["AutomationExecutionId"]
    api.kill()

    second = ApiProcess(folder)
    again = second.client().start_automation_execution(DocumentName="Story", ClientToken=token)
    assert again["AutomationExecutionId"] == started
    assert second.status(started, "Waiting") == "Waiting"
    second.kill()

    third = ApiProcess(folder)
    third.client().send_automation_signal(AutomationExecutionId=started, SignalType="Approve")
    third.kill()

    last = ApiProcess(folder)
    assert last.status(started, "Success") == "Success"
    steps = last.client().describe_automation_step_executions(AutomationExecutionId=started)["StepExecutions"]
    assert [step["StepStatus"] for step in steps] == ["Success"] * 3
    assert LEE in steps[1]["Outputs"]["ApproverDecisions"][0]
    last.stop()


def test_modelled_errors_come_as_their_classes(api: ApiProcess) -> None:
    """As boto3's users catch them."""
    client = api.client()
    with pytest.raises(client.exceptions.AutomationExecutionNotFoundException):
        client.get_automation_execution(AutomationExecutionId="0" * 36)
    with pytest.raises(client.exceptions.InvalidDocument):
        client.get_document(Name="Nowhere")
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        api.client("AKIDNOBODY", "x").list_documents()


def test_every_operation_and_paginator_of_boto3_works(api: ApiProcess) -> None:
    """One story that calls them all, over real HTTP; botocore reads every answer."""
    client, called = api.client(), set()
    client.meta.events.register("before-call.ssm", lambda model, **_: called.add(model.name))
    document = {"ResourceType": "Document", "ResourceId": "Story"}
    client.create_document(Name="Story", Content=runbook(ask(), hold()), DocumentType="Automation")
    client.update_document(Name="Story", Content=runbook(ask(), nap()), DocumentVersion="$LATEST", VersionName="nap")
    client.update_document_default_version(Name="Story", DocumentVersion="2")
    client.add_tags_to_resource(**document, Tags=[{"Key": "team", "Value": "shop"}, {"Key": "x", "Value": "y"}])
    client.remove_tags_from_resource(**document, TagKeys=["x"])
    client.modify_document_permission(Name="Story", PermissionType="Share", AccountIdsToAdd=["111111111111"])

    assert client.list_tags_for_resource(**document)["TagList"] == [{"Key": "team", "Value": "shop"}]
    assert client.describe_document_permission(Name="Story", PermissionType="Share")["AccountIds"] == ["111111111111"]
    assert json.loads(client.get_document(Name="Story", VersionName="nap")["Content"])["mainSteps"][1]["name"] == "nap"
    assert client.describe_document(Name="Story")["Document"]["LatestVersion"] == "2"
    preview_id = client.start_execution_preview(DocumentName="Story")["ExecutionPreviewId"]
    assert client.get_execution_preview(ExecutionPreviewId=preview_id)["Status"] == "Success"

    first, second = (client.start_automation_execution(DocumentName="Story")["AutomationExecutionId"] for _ in range(2))
    api.status(first, "Waiting")
    client.send_automation_signal(AutomationExecutionId=first, SignalType="Approve")
    client.stop_automation_execution(AutomationExecutionId=second)
    assert api.status(first, "Success") == "Success"

    pages: list[tuple[str, dict[str, Any], str, int]] = [
        ("describe_automation_executions", {}, "AutomationExecutionMetadataList", 2),
        ("describe_automation_step_executions", {"AutomationExecutionId": first}, "StepExecutions", 2),
        ("list_documents", {}, "DocumentIdentifiers", 1),
        ("list_document_versions", {"Name": "Story"}, "DocumentVersions", 2),
    ]
    for operation, members, name, count in pages:
        found = client.get_paginator(operation).paginate(**members, PaginationConfig={"PageSize": 1})
        assert sum(len(page[name]) for page in found) == count
    api.status(first)
    client.get_automation_execution(AutomationExecutionId=first)
    client.modify_document_permission(Name="Story", PermissionType="Share", AccountIdsToRemove=["111111111111"])
    client.delete_document(Name="Story")
    assert sorted(called) == OPERATIONS


def post(
    url: str, path: str, headers: dict[str, str], body: bytes | Iterator[bytes], method: str = "POST"
) -> tuple[int, str]:
    """(status, code) of a plain HTTP request."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.request(method, path, body, headers, encode_chunked="Transfer-Encoding" in headers)
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    return answer.status, str(found["__type"])


def test_plain_http_is_answered_in_the_words_of_aws(api: ApiProcess) -> None:
    """Unsigned, too large, chunked, elsewhere, with another method."""
    target = {"X-Amz-Target": "AmazonSSM.ListDocuments"}

    assert post(api.url, "/", target, b"{}") == (400, "MissingAuthenticationTokenException")
    assert post(api.url, "/", target, bytes(LARGEST_BODY + 1)) == (413, "RequestEntityTooLargeException")
    assert post(api.url, "/else", target, b"{}") == (404, "UnknownOperationException")
    assert post(api.url, "/", target, b"", "GET") == (404, "UnknownOperationException")
    assert post(api.url, "/", {"X-Amz-Target": "x", "Content-Type": "text/html"}, b"<a>")[0] == 400
    chunked = (b"{" + b" " * 65_536 for _ in range(40))
    assert post(api.url, "/", {**target, "Transfer-Encoding": "chunked"}, chunked) == (
        413, "RequestEntityTooLargeException",
    )  # fmt: skip


def signed(url: str, at: datetime, secret: str = SECRET, target: str = "ListDocuments", body: bytes = b"{}") -> Any:
    """Headers of a request that was signed at that moment."""
    request = AWSRequest(method="POST", url=url, data=body, headers={"X-Amz-Target": f"AmazonSSM.{target}"})
    signer = SigV4Auth(Credentials(KEY, secret), "ssm", "eu-west-1")
    request.context["timestamp"] = stamp = f"{at:%Y%m%dT%H%M%SZ}"
    request.headers["Host"] = urlsplit(url).netloc
    request.headers["X-Amz-Date"] = stamp
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return dict(request.headers.items())


def test_who_signs_wrongly_is_answered_in_the_words_of_aws(api: ApiProcess) -> None:
    """Another secret, another body, another time; what is repeated within five minutes is taken, as on AWS."""
    now = datetime.now(UTC)
    late = timedelta(minutes=6)

    for _ in range(2):
        connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=20)
        connection.request("POST", "/", b"{}", signed(api.url, now))
        assert connection.getresponse().status == 200
        connection.close()
    assert post(api.url, "/", signed(api.url, now, "x"), b"{}") == (400, "InvalidSignatureException")
    assert post(api.url, "/", signed(api.url, now), b'{"MaxResults":1}') == (400, "InvalidSignatureException")
    assert post(api.url, "/", signed(api.url, now - late), b"{}") == (400, "InvalidSignatureException")
    assert post(api.url, "/", signed(api.url, now + late), b"{}") == (400, "InvalidSignatureException")
    unknown = signed(api.url, now, target="Dance")
    assert post(api.url, "/", unknown, b"{}") == (400, "UnknownOperationException")
    garbage = b'{"MaxResults": NaN}'
    assert post(api.url, "/", signed(api.url, now, body=garbage), garbage) == (400, "SerializationException")


def test_what_the_model_forbids_is_refused_also_where_the_client_checks_nothing(api: ApiProcess) -> None:
    """Members, limits, enums, patterns: botocore's own checks are switched off."""
    client = boto3.client(
        "ssm", "eu-west-1", endpoint_url=api.url, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}, proxies={}),
    )  # fmt: skip
    attempts: list[tuple[str, dict[str, Any]]] = [
        ("start_automation_execution", {}),
        ("start_automation_execution", {"DocumentName": "a b"}),
        ("start_automation_execution", {"DocumentName": "Ask", "Mode": "Sometimes"}),
        ("start_automation_execution", {"DocumentName": "Ask", "MaxErrors": "many"}),
        ("stop_automation_execution", {"AutomationExecutionId": "1", "Type": "Cancel"}),
        ("send_automation_signal", {"AutomationExecutionId": "0" * 36, "SignalType": "Deny"}),
        ("list_documents", {"MaxResults": 51}),
    ]
    for operation, members in attempts:
        with pytest.raises(ClientError, match="ValidationException"):
            getattr(client, operation)(**members)
    with pytest.raises(ClientError, match="UnknownOperationException"):
        client.list_commands()


def test_a_thousand_starts_at_once_with_one_token_are_one_execution(api: ApiProcess) -> None:
    """Over real sockets, by twenty clients; with anything else the token is refused."""
    client, token = api.client(), str(uuid.uuid4())
    client.create_document(Name="Story", Content=runbook(ask()), DocumentType="Automation")
    clients = [api.client() for _ in range(20)]

    def start(number: int) -> str:
        members = {"DocumentName": "Story", "ClientToken": token}
        return str(clients[number % 20].start_automation_execution(**members)["AutomationExecutionId"])

    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(start, range(1000)))

    assert len(found) == 1
    assert len(client.describe_automation_executions()["AutomationExecutionMetadataList"]) == 1
    with pytest.raises(client.exceptions.IdempotentParameterMismatch):
        client.start_automation_execution(DocumentName="Story", ClientToken=token, Mode="Interactive")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "set PLAYBOOK_BOT_API_KEYS to AKID:SECRET:actor"),
        ({"PLAYBOOK_BOT_API_KEYS": "AKID:lee"}, "should be AKID:SECRET:actor"),
        ({"PLAYBOOK_BOT_API_KEYS": "A:b:l e e"}, "is no name of a user"),
        ({"PLAYBOOK_BOT_API_KEYS": "A:b:lee", "PLAYBOOK_BOT_API_ACCOUNT": "12"}, "twelve digits"),
        ({"PLAYBOOK_BOT_API_KEYS": "A:b:lee", "PLAYBOOK_BOT_API_HOST": "192.0.2.1"}, "192.0.2.1:0 cannot be had"),
    ],
)
def test_a_start_that_cannot_be_meant_is_one_sentence(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    """And exit code 2."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PLAYBOOK_BOT_"))}
    done = subprocess.run(
        [sys.executable, "-m", "bot", "api", "--port", "0", "--data", str(tmp_path)],
        env={**kept, **settings}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_runbooks_act_on_the_aws_of_the_environment(tmp_path: Path) -> None:
    """`AWS_ENDPOINT_URL` of the process is the AWS that steps call: here moto's server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    api = ApiProcess(tmp_path / "api", AWS_ENDPOINT_URL=endpoint)
    ec2 = boto3.client(
        "ec2", "eu-west-1", endpoint_url=endpoint, aws_access_key_id="engine", aws_secret_access_key="engine"
    )
    instance_id = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    stop = {
        "name": "stop",
        "action": "aws:changeInstanceState",
        "inputs": {"InstanceIds": ["{{ InstanceId }}"], "DesiredState": "stopped"},
    }
    parameters = {"InstanceId": {"type": "AWS::EC2::Instance::Id"}}
    client = api.client()
    client.create_document(
        Name="Stop-It", Content=runbook(ask(), stop, parameters=parameters), TargetType="/AWS::EC2::Instance"
    )
    started = client.start_automation_execution(DocumentName="Stop-It", Parameters={"InstanceId": [instance_id]})
    execution_id = started["AutomationExecutionId"]
    api.status(execution_id, "Waiting")
    client.send_automation_signal(AutomationExecutionId=execution_id, SignalType="Approve")

    assert api.status(execution_id, "Success", "Failed") == "Success"
    found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    assert found["State"]["Name"] == "stopped"

    api.stop()
    server.stop()
