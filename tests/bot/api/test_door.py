"""The door: whatever a client sends, the answer is AWS's own kind; and what it answers obeys the model."""

import json
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.api import model
from bot.api.door import LARGEST_BODY, Answer
from bot.api.model import AnswerInvalid, answer
from infra.aws_models import service_model
from infra.db import DatabaseUnavailable
from tests.bot.api.worlds import KEYS, ApiWorld, ask, hold, runbook

OPERATIONS = sorted(
    {
        "StartAutomationExecution", "GetAutomationExecution", "DescribeAutomationExecutions",
        "DescribeAutomationStepExecutions", "SendAutomationSignal", "StopAutomationExecution", "CreateDocument",
        "UpdateDocument", "UpdateDocumentDefaultVersion", "GetDocument", "DescribeDocument", "ListDocuments",
        "ListDocumentVersions", "DeleteDocument", "DescribeDocumentPermission", "ModifyDocumentPermission",
        "AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource", "StartExecutionPreview",
        "GetExecutionPreview",
    }
)  # fmt: skip


def call(world: ApiWorld, target: str, body: bytes | dict[str, Any], method: str = "POST") -> Answer:
    """One signed call, whatever its body."""
    request = signed(target, body if isinstance(body, bytes) else json.dumps(body).encode(), method)
    return world.answer(method, dict(request.headers.items()), request.data)


def signed(target: str, data: bytes, method: str = "POST") -> Any:
    """A request as botocore signs it."""
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest(method=method, url="http://ssm.test/", data=data, headers=headers)
    SigV4Auth(Credentials("AKIDLEE", KEYS["AKIDLEE"]), "ssm", "eu-west-1").add_auth(request)
    return request


def error(found: Answer) -> tuple[int, str, str]:
    """(status, code, message)."""
    body = json.loads(found.body)
    assert found.headers["x-amzn-ErrorType"] == body["__type"]
    assert found.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert found.headers["x-amzn-RequestId"]
    return found.status, body["__type"], body.get("message") or body.get("Message")


def test_every_operation_is_there(world: ApiWorld) -> None:
    """Those that the documentation promises, and no other."""
    assert sorted(world.door.operations) == OPERATIONS


@pytest.mark.parametrize(
    "target", ["", "AmazonSSM", "AmazonSSM.", "AmazonSSM.Dance", "AmazonEC2.GetDocument", "AmazonSSM.SendCommand", "ä"]
)
def test_an_unknown_operation_is_said_to_be_unknown(world: ApiWorld, target: str) -> None:
    """Also one of SSM's that is not here."""
    assert error(call(world, target, {}))[:2] == (400, "UnknownOperationException")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b"NaN", b"[" * 100_000, b"9" * 5000])
def test_a_body_that_is_no_json_object_cannot_be_read(world: ApiWorld, body: bytes) -> None:
    """AWS calls that a serialization error."""
    assert error(call(world, "AmazonSSM.ListDocuments", body))[:2] == (400, "SerializationException")


@pytest.mark.parametrize(
    ("target", "body", "code", "words"),
    [
        (
            "GetDocument",
            {},
            "ValidationException",
            "Value null at 'name' failed to satisfy constraint: Member must not be null",
        ),
        ("GetDocument", {"Name": None}, "ValidationException", "Value null at 'name'"),
        (
            "GetDocument",
            {"Name": 5},
            "SerializationException",
            "NUMBER_VALUE can not be converted to a String at 'name'",
        ),
        ("GetDocument", {"Name": ["a"]}, "SerializationException", "Start of list found where a String is expected"),
        ("GetDocument", {"Name": "a b"}, "ValidationException", "regular expression pattern"),
        ("GetDocument", {"Name": "abc", "Colour": 1}, "ValidationException", "Unknown member 'Colour'"),
        ("GetDocument", {"Name": "abc\n"}, "ValidationException", "regular expression pattern"),
        ("ListDocuments", {"MaxResults": 51}, "ValidationException", "less than or equal to 50"),
        (
            "ListDocuments",
            {"MaxResults": "5"},
            "SerializationException",
            "STRING_VALUE can not be converted to an Integer",
        ),
        ("ListDocuments", {"MaxResults": True}, "SerializationException", "BOOLEAN_VALUE"),
        ("ListDocuments", {"MaxResults": 1.5}, "SerializationException", "NUMBER_VALUE"),
        ("ListDocuments", {"Filters": [{"Key": "Name", "Values": [None]}]}, "SerializationException", "holds null"),
        (
            "ListTagsForResource",
            {"ResourceType": "Document", "ResourceId": "a\u0000"},
            "SerializationException",
            "U+0000",
        ),
        (
            "ListTagsForResource",
            {"ResourceType": "Document", "ResourceId": "\ud800"},
            "SerializationException",
            "half a pair",
        ),
        (
            "GetAutomationExecution",
            {"AutomationExecutionId": "x"},
            "ValidationException",
            "greater than or equal to 36",
        ),
        (
            "StopAutomationExecution",
            {"AutomationExecutionId": "x" * 36, "Type": "Now"},
            "ValidationException",
            "Member must satisfy enum value set: [Complete, Cancel]",
        ),
        (
            "StartAutomationExecution",
            {"DocumentName": "abc", "Parameters": {"": ["x"]}},
            "ValidationException",
            "parameters.key",
        ),
        (
            "StartAutomationExecution",
            {"DocumentName": "abc", "Parameters": {"A": ["x" * 513]}},
            "ValidationException",
            "'parameters.A.1.member'",
        ),
        ("SendAutomationSignal", {"SignalType": "Deny"}, "ValidationException", "2 validation errors detected"),
    ],
)
def test_a_member_that_breaks_the_model_is_named(
    world: ApiWorld, target: str, body: dict[str, Any], code: str, words: str
) -> None:
    """In the words of AWS's own validation."""
    found = error(call(world, f"AmazonSSM.{target}", body))

    assert found[:2] == (400, code)
    assert words in found[2]


def test_other_ways_in_are_none(world: ApiWorld) -> None:
    """SSM takes POST to / only."""
    assert error(call(world, "AmazonSSM.ListDocuments", {}, "GET"))[:2] == (404, "UnknownOperationException")


def test_a_body_has_a_limit(world: ApiWorld) -> None:
    """Before anything else is looked at."""
    assert error(call(world, "AmazonSSM.ListDocuments", bytes(LARGEST_BODY + 1)))[:2] == (
        413, "RequestEntityTooLargeException",
    )  # fmt: skip


def test_who_is_not_let_in_is_in_the_trail(world: ApiWorld) -> None:
    """With the reason and where it came from, and without the signature."""
    with pytest.raises(ClientError):
        world.client(secret="wrong").list_documents()
    with world.database.reading() as connection:
        entry = list(world.service.audit.entries(connection))[-1]

    assert entry.event.name == "request.refused"
    assert entry.event.data["door"] == "api"
    assert str(entry.event.data["reason"]).startswith("InvalidSignatureException")
    assert entry.event.data["sender"] == "127.0.0.1"


def test_our_own_trouble_is_one_apology_with_an_id(world: ApiWorld) -> None:
    """A lost database may be tried again; a defect is logged; neither shows its inside."""

    def lost(_: object) -> dict[str, Any]:
        raise DatabaseUnavailable("disk is full")

    def broken(_: object) -> dict[str, Any]:
        raise ZeroDivisionError("secret inside")

    for run in (lost, broken, lambda _: {"Nonsense": 1}):
        world.door.operations = {"ListDocuments": run}
        status, code, message = error(call(world, "AmazonSSM.ListDocuments", {}))

        assert (status, code) == (500, "InternalServerError")
        assert "inside" not in message
        assert "request" in message


def test_an_answer_that_breaks_the_model_is_noticed() -> None:
    """Before it confuses a client."""
    operation = model.operation_model("StartAutomationExecution")
    for wrong in ({"AutomationExecutionId": 5}, {"ExecutionId": "x"}):
        with pytest.raises(AnswerInvalid, match="StartAutomationExecution"):
            answer(operation, wrong)


# -- whatever comes


def _values(shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values near what the model wants: of its types, and now and then of others."""
    wild = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just([]), st.just({}))
    match shape.type_name:
        case "structure" if depth < 4:
            members = {name: _values(member, depth + 1) for name, member in shape.members.items()}
            required = {name: members.pop(name) for name in shape.required_members}
            inner: st.SearchStrategy[Any] = st.fixed_dictionaries(required, optional=members)
        case "list" if depth < 4:
            inner = st.lists(_values(shape.member, depth + 1), max_size=3)
        case "map" if depth < 4:
            inner = st.dictionaries(st.text(max_size=5), _values(shape.value, depth + 1), max_size=3)
        case "integer" | "long":
            inner = st.integers(-1, 60)
        case "boolean":
            inner = st.booleans()
        case "string" if shape.enum:
            inner = st.sampled_from(shape.enum)
        case "string":
            inner = st.one_of(st.sampled_from(_TEXTS), st.text(max_size=40))
        case _:
            inner = wild
    return st.one_of(inner, inner, inner, inner, inner, inner, inner, inner, inner, wild)


_TEXTS = [
    "Ask-First", "$LATEST", "$DEFAULT", "1", "2", "10", "abc", "all", "123456789012", "x" * 36, "aws:approve",
    "00000000-0000-4000-8000-000000000000", '{"schemaVersion":"0.3"}', "\x00", "tag:a", "Owner", "Self", "Waiting",
    "arn:aws:ssm:eu-west-1:123456789012:document/Ask-First", "2026-01-01T00:00:00Z", "9" * 40, "/AWS::EC2::Instance",
]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=25)
@given(data=st.data())
def test_no_request_is_our_defect(both: ApiWorld, operation: str, data: st.DataObject) -> None:
    """Whatever the members are, the status is 200 or 400 and the code is one of AWS's."""
    shape = service_model("ssm").operation_model(operation).input_shape
    given_ = data.draw(_values(shape))
    found = call(both, f"AmazonSSM.{operation}", given_ if isinstance(given_, dict) else {"x": given_})

    assert found.status in (200, 400), found.body


def approval(execution_id: str) -> Any:
    """A signed signal."""
    signal = {"AutomationExecutionId": execution_id, "SignalType": "Approve"}
    return signed("AmazonSSM.SendAutomationSignal", json.dumps(signal).encode())


def test_a_replayed_signal_answers_no_other_question(world: ApiWorld) -> None:
    """The same signed bytes, once more while the next step waits: the answer of the first time, and nothing else."""
    second = {**ask(), "name": "second"}
    world.client().create_document(Name="Two", Content=runbook(ask(), second), DocumentType="Automation")
    execution_id = world.start("Two")
    request = approval(execution_id)
    for _ in range(3):
        found = world.answer("POST", dict(request.headers.items()), request.data)
        assert (found.status, json.loads(found.body)) == (200, {})
        world.react()
        world.work()

    assert [(step.name, str(step.status)) for step in world.state(execution_id).steps] == [
        ("ask", "Success"),
        ("second", "Waiting"),
    ]


def test_a_replayed_refusal_stays_one(world: ApiWorld) -> None:
    """What came when nothing waited is not carried out when something does."""
    world.client().create_document(Name="Later", Content=runbook(hold(), ask()), DocumentType="Automation")
    execution_id = world.client().start_automation_execution(DocumentName="Later")["AutomationExecutionId"]
    world.work()
    request = approval(execution_id)
    first = world.answer("POST", dict(request.headers.items()), request.data)
    world.client().send_automation_signal(AutomationExecutionId=execution_id, SignalType="Resume")
    world.work()
    world.react()
    again = world.answer("POST", dict(request.headers.items()), request.data)

    assert error(first)[:2] == error(again)[:2] == (400, "InvalidAutomationSignalException")
    assert str(world.state(execution_id).steps[-1].status) == "Waiting"
