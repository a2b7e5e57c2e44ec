"""Requests as a client could mean them, whole or with one thing wrong: AWS's own errors, or answers of the model."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.api import model
from infra.aws import AwsSession
from infra.aws_errors import AwsRefused
from infra.aws_models import service_model
from tests.bot.api.test_door import OPERATIONS, call
from tests.bot.api.worlds import ACCOUNT, ApiWorld, hold, nap, runbook

TOKEN = "00000000-0000-4000-8000-000000000000"
NOWHERE = "11111111-1111-4111-8111-111111111111"
COMMON = {
    "ValidationException", "SerializationException", "AccessDeniedException", "InvalidAutomationSignalException",
}  # fmt: skip
"""What AWS answers to any operation, beside the errors that its model lists."""
TEXT = runbook(nap(), parameters={"Who": {"type": "String", "default": "you"}, "InstanceId": {"type": "String"}})


class Stock:
    """What stands in the world, by the names of the members that can mean it."""

    def __init__(self, world: ApiWorld) -> None:
        client = world.client()
        client.create_document(Name="Nap-Each", Content=TEXT, TargetType="/AWS::EC2::Instance", VersionName="first")
        client.create_document(Name="Hold", Content=runbook(hold(), nap()))
        waiting, held = world.start("Ask-First"), world.start("Hold")
        stepwise, over = world.start("Hold", Mode="Interactive"), world.start("Hold")
        client.stop_automation_execution(AutomationExecutionId=over)
        preview = client.start_execution_preview(DocumentName="Ask-First")["ExecutionPreviewId"]
        names = ["Ask-First", "Nap-Each", "Hold", f"arn:aws:ssm:eu-west-1:{ACCOUNT}:document/Hold", "Nowhere"]
        steps = [step.id for step in world.state(held).steps]
        self.values: Mapping[str, list[str]] = {
            "DocumentName": names, "Name": [*names, "New-One", "tool.py"], "ClientToken": [TOKEN, TOKEN.upper()],
            "AutomationExecutionId": [waiting, held, stepwise, over, NOWHERE], "ExecutionPreviewId": [preview, NOWHERE],
            "DocumentVersion": ["1", "2", "$LATEST", "$DEFAULT", "9" * 12], "VersionName": ["first", "other"],
            "Content": [TEXT, runbook(hold()), "{}", "a: [", "x: '0.3'", runbook(nap(), files={"a.py": {}})],
            "TargetType": ["/AWS::EC2::Instance", "/", "/x"], "TargetParameterName": ["InstanceId", "Who", "Nobody"],
            "MaxConcurrency": ["1", "50%", "100%"], "MaxErrors": ["0", "10%", "3"],
            "ResourceId": [*names, waiting, over],
            "TargetsMaxConcurrency": ["2"], "TargetsMaxErrors": ["0"], "AccountIdsToAdd": [ACCOUNT, "all"],
            "TargetLocationsURL": ["https://b.s3.amazonaws.com.evil.test#x.s3.amazonaws.com/y", "https://a"],
            "NextToken": ["eyJxIjoxfQ==", "x"], "SharedDocumentVersion": ["$ALL", "$LATEST"],
            "key:Parameters": ["Who", "InstanceId", "Nobody"],
            "key:Payload": ["Comment", "StepName", "StepExecutionId", "Seen"],
            "value:Payload": ["fine", "hold", "nap", "none", *steps], "key:TargetMaps": ["InstanceId", "Who", "Nobody"],
            "Values": ["Success", "Waiting", "Ask", "2026-01-01T00:00:00Z", "0", "Self", "Automation", waiting, "s3://b/k"],
            "Accounts": [ACCOUNT, "ou-ab12-12345678", "me"], "Regions": ["eu-west-1", "us-east-1", "mars"],
            "ExcludeAccounts": [ACCOUNT], "ExecutionRoleName": ["Runner"],
        }  # fmt: skip

    def texts(self, shape: Any, name: str) -> st.SearchStrategy[str]:
        """Texts for a member of that name."""
        known = self.values.get(name)
        if shape.enum:
            return st.sampled_from([*shape.enum])
        if known is None:
            key = st.sampled_from(["tag:team", "ParameterValues", "InstanceIds", "Owner", "Name", "PlatformTypes"])
            return (
                key
                if name in ("Key", "key")
                else st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=9)
            )
        return st.sampled_from(known)

    def of(self, shape: Any, name: str = "") -> st.SearchStrategy[Any]:
        """Values of the model's types and limits."""
        low, high = int(shape.metadata.get("min", 0)), int(shape.metadata.get("max", 3))
        match shape.type_name:
            case "structure":
                members = {each: self.of(member, each) for each, member in shape.members.items()}
                required = {each: members.pop(each) for each in shape.required_members}
                return st.fixed_dictionaries(required, optional=members)
            case "list":
                return st.lists(self.of(shape.member, name), min_size=low, max_size=max(low, min(high, 2)))
            case "map":
                keys = self.texts(shape.key, f"key:{name}")
                return st.dictionaries(
                    keys, self.of(shape.value, f"value:{name}"), min_size=low, max_size=max(low, min(high, 2))
                )
            case "integer" | "long":
                return st.integers(max(low, 1), max(high, 1))
            case "boolean":
                return st.booleans()
        return self.texts(shape, name)


WRONG: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 10**30, 1.5, "", "\x00", "\ud800", "x" * 2000, [], {}, [None], {"Ünknown": 1}, [[]]]
)


@st.composite
def spoiled(draw: Any, value: Any) -> Any:
    """The value with one thing in it that is otherwise."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(value)))
        return {**value, name: draw(spoiled(value[name]))}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        return [draw(spoiled(value[0])), *value[1:]]
    return {**value, "Other": 1} if isinstance(value, dict) and draw(st.booleans()) else draw(WRONG)


def modelled(operation: str) -> set[str]:
    """Codes that an operation may answer with."""
    return COMMON | {each.name for each in service_model("ssm").operation_model(operation).error_shapes}


def test_the_common_errors_are_not_a_way_around_the_model() -> None:
    """What counts for all are AWS's common errors, and the one that SendAutomationSignal knows anyway."""
    assert COMMON - {"ValidationException", "SerializationException", "AccessDeniedException"} <= modelled(
        "SendAutomationSignal"
    )


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS that lets nobody do anything."""

    def answer(*_: Any, **__: Any) -> Any:
        raise AwsRefused("AccessDenied", "No.")

    monkeypatch.setattr(AwsSession, "answer", answer)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_could_be_meant_is_answered_by_the_model(world: ApiWorld, operation: str) -> None:
    """A good answer obeys the model in every member; an error is one of those that AWS documents; never a defect."""
    stock = Stock(world)
    shape = service_model("ssm").operation_model(operation)
    whole = stock.of(shape.input_shape)

    @settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(st.one_of(whole, whole, whole.flatmap(spoiled)))
    def probe(members: Any) -> None:
        body = json.dumps(members).encode("utf-8", "surrogatepass")
        found = call(world, f"AmazonSSM.{operation}", body)
        world.work()
        told = json.loads(found.body)
        if found.status == 200:
            broken = [*model._broken_rules(shape.output_shape, told, "")] if shape.output_shape else [*told]
            # AWS's own samples of Outputs, Parameters and OverriddenParameters are empty maps, too.
            assert [each for each in broken if not each.startswith("Value '{}'")] == []
        else:
            assert found.status == 400, told
            assert told["__type"] in modelled(operation), told

    probe()
