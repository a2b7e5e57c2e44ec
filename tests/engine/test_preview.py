import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from engine.actions import BY_NAME
from engine.document import Document, RunbookRefused
from engine.parameters import ParametersInvalid
from engine.preview import Surroundings, preview
from engine.preview_aws import LookingAws, WouldChange
from engine.preview_result import Failing, Preview, PreviewStep, Reach
from engine.validation import parse
from infra.aws import Aws
from infra.aws_errors import AwsRefused
from infra.aws_models import operation_model
from infra.aws_operations import is_reading
from tests.engine.corpus import needs_corpus, runbooks

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
ID = "i-0123456789abcdef0"


@dataclass
class RecordingAws:
    """Answers from a table (nothing, by default) and remembers every call that got through."""

    answers: Mapping[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    region: str = "eu-west-1"
    account: str = "123456789012"
    partition: str = "aws"

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """Answer, or refuse where the table says so."""
        self.asked.append(f"{service}:{operation}")
        answer = self.answers.get(f"{service}:{operation}", {})
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's model."""
        return operation_model(service, operation)


def book(*steps: dict[str, Any], parameters: Mapping[str, Any] | None = None, **more: Any) -> Document:
    """A runbook; steps without a name are called s0, s1 and so on."""
    named = [{"name": f"s{number}", **step} for number, step in enumerate(steps)]
    tree = {"schemaVersion": "0.3", "parameters": dict(parameters or {}), "mainSteps": named, **more}
    return parse(json.dumps(tree), name="book")


def api(operation: str, *outputs: str, service: str = "ec2", **params: Any) -> dict[str, Any]:
    """An aws:executeAwsApi step; outputs as `Name=Selector`."""
    declared = [dict(zip(("Name", "Selector"), each.split("=", 1), strict=True)) for each in outputs]
    inputs = {"Service": service, "Api": operation, **params}
    return {"action": "aws:executeAwsApi", "inputs": inputs, "outputs": declared}


def branch(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An aws:branch step."""
    return {"action": "aws:branch", "inputs": {"Choices": list(choices), **more}}


def previewed(document: Document, answers: Mapping[str, Any] | None = None, **parameters: Any) -> Preview:
    """A preview against the table."""
    around = Surroundings(LookingAws(RecordingAws(answers or {})), BY_NAME, NOW)
    return preview(document, parameters, around)


def step(found: Preview, name: str) -> PreviewStep:
    """One step of a preview."""
    return next(each for each in found.steps if each.name == name)


STATE = {"Reservations": [{"Instances": [{"InstanceId": ID, "State": {"Name": "running"}}]}]}
LOOK = api("DescribeInstances", "State=$.Reservations[0].Instances[0].State.Name", InstanceIds=[ID])
STOP = {"action": "aws:changeInstanceState", "inputs": {"InstanceIds": [ID], "DesiredState": "stopped"}}
SCRIPT = {
    "action": "aws:executeScript",
    "inputs": {"Runtime": "python3.11", "Handler": "h", "Script": "def h(e, c):\n    return {}\n"},
    "outputs": [{"Name": "Id", "Selector": "$.Payload.id", "Type": "String"}],
}
NAP = {"action": "aws:sleep", "inputs": {"Duration": "PT1S"}}


def test_the_guard_lets_no_change_through() -> None:
    """It raises before the session is asked, whatever the spelling."""
    session = RecordingAws()
    looking = LookingAws(session)

    for service, operation in (("EC2", "stop_instances"), ("s3", "PutObject"), ("sts", "AssumeRole")):
        with pytest.raises(WouldChange):
            looking.call(service, operation, {})
    assert session.asked == []


def test_the_same_question_is_asked_once() -> None:
    """Also when the answer was a refusal."""
    session = RecordingAws({"ec2:DescribeImages": AwsRefused("X", "no")})
    looking = LookingAws(session)
    for _ in range(2):
        looking.call("ec2", "DescribeInstances", {"InstanceIds": [ID]})
        with pytest.raises(AwsRefused):
            looking.call("ec2", "DescribeImages", {})

    assert session.asked == ["ec2:DescribeInstances", "ec2:DescribeImages"]


def test_what_can_be_read_decides_a_branch() -> None:
    """One side runs, the other is not reached."""
    document = book(
        LOOK,
        branch({"NextStep": "stop", "Variable": "{{ s0.State }}", "StringEquals": "running"}, Default="nap"),
        {"name": "stop", **STOP, "isEnd": True},
        {"name": "nap", **NAP},
    )
    found = previewed(document, {"ec2:DescribeInstances": STATE})

    assert [(each.name, each.reach) for each in found.steps] == [
        ("s0", Reach.SURE), ("s1", Reach.SURE), ("stop", Reach.SURE),
    ]  # fmt: skip
    assert step(found, "s0").outputs == {"State": "running"}
    assert found.not_reached == ("nap",)


def test_both_sides_of_what_cannot_be_decided_are_walked() -> None:
    """A script's result is known only when it has run."""
    document = book(
        SCRIPT,
        branch({"NextStep": "stop", "Variable": "{{ s0.Id }}", "StringEquals": "x"}, Default="nap"),
        {"name": "stop", **STOP},
        {"name": "nap", **NAP},
    )
    found = previewed(document)

    assert (step(found, "stop").reach, step(found, "stop").why) == (Reach.MAYBE, "if s0.Id = x")
    assert step(found, "s1").unknown == ("s0.Id",)
    assert (step(found, "nap").reach, step(found, "nap").why) == (
        Reach.MAYBE, "if no choice of s1 holds, or if s0.Id = x",
    )  # fmt: skip
    assert found.not_reached == ()


def test_calls_are_exact_and_unknown_values_stay_as_they_are_written() -> None:
    """Types as AWS wants them; references to a later output in braces."""
    document = book(
        SCRIPT,
        api("ModifyInstanceAttribute", InstanceId="{{ Id }}", EbsOptimized={"Value": "true"}),
        api("StopInstances", InstanceIds=["{{ s0.Id }}"]),
        parameters={"Id": {"type": "String"}},
    )
    found = previewed(document, Id=ID)

    assert step(found, "s1").calls[0].params == {"InstanceId": ID, "EbsOptimized": {"Value": True}}
    assert step(found, "s2").calls[0].params == {"InstanceIds": ["{{ s0.Id }}"]}
    assert step(found, "s2").unknown == ("s0.Id",)


def test_what_was_read_before_a_change_decides_nothing_after_it() -> None:
    """The instance is running now; after the stop it will not be."""
    document = book(
        STOP,
        LOOK,
        branch({"NextStep": "nap", "Variable": "{{ s1.State }}", "StringEquals": "running"}, Default="other"),
        {"name": "nap", **NAP, "isEnd": True},
        {"name": "other", **NAP},
    )
    found = previewed(document, {"ec2:DescribeInstances": STATE})

    assert {each.name: each.reach for each in found.steps if each.name in ("nap", "other")} == {
        "nap": Reach.MAYBE,
        "other": Reach.MAYBE,
    }
    assert "now: running" in step(found, "s2").says[0]


def test_an_assertion_that_fails_now_ends_the_preview_there() -> None:
    """As the run would: Failed, and nothing after it."""
    document = book(
        {
            "action": "aws:assertAwsResourceProperty",
            "inputs": {
                "Service": "ec2", "Api": "DescribeInstances", "InstanceIds": [ID],
                "PropertySelector": "$.Reservations[0].Instances[0].State.Name", "DesiredValues": ["stopped"],
            },
        },
        STOP,
    )  # fmt: skip
    found = previewed(document, {"ec2:DescribeInstances": STATE})

    assert step(found, "s0").fails is Failing.SURELY
    assert (found.outcome, found.not_reached) == ("Failed", ("s1",))
    assert found.ends == (("Failed", Reach.SURE, "s0"),)


def test_a_failure_that_leads_on_is_followed() -> None:
    """Surely where it fails now, on failure only where it may."""
    document = book(
        {**api("DescribeImages"), "onFailure": "step:tidy"},
        {**STOP, "onFailure": "step:tidy", "isEnd": True},
        {"name": "tidy", **NAP},
    )
    refused = {"ec2:DescribeImages": AwsRefused("InvalidAMIID.NotFound", "no such image")}

    assert step(previewed(document, refused), "tidy").reach is Reach.SURE
    maybe = step(previewed(document), "tidy")
    assert (maybe.reach, maybe.why) == (Reach.ON_FAILURE, "if s1 fails")


def test_whoever_may_not_look_is_not_told_that_the_run_fails() -> None:
    """A missing permission of the person says nothing about the role of the run."""
    refused = {"ec2:DescribeInstances": AwsRefused("UnauthorizedOperation", "you may not")}
    found = previewed(book(LOOK, STOP), refused)

    assert step(found, "s0").fails is Failing.MAYBE
    assert step(found, "s0").says[0].startswith("could not be looked at: ")
    assert step(found, "s1").reach is Reach.SURE


def test_questions_without_an_answer_are_counted() -> None:
    """So that an empty preview is not taken for a harmless one."""
    refused = {"ec2:DescribeInstances": AwsRefused("UnauthorizedOperation", "you may not"), "ec2:DescribeImages": {}}
    looking = LookingAws(RecordingAws(refused))
    preview(book(LOOK, api("DescribeImages")), {}, Surroundings(looking, BY_NAME, NOW))

    assert (len(looking.looked), looking.unanswered) == (2, 1)


def test_loops_are_walked_item_by_item() -> None:
    """Where the items are known; otherwise once for all."""
    body = {"name": "poke", **api("RebootInstances", InstanceIds=["{{ each.CurrentIteratorValue }}"])}
    loop = {"name": "each", "action": "aws:loop", "inputs": {"Iterators": "{{ Ids }}", "Steps": [body]}}
    document = book(loop, NAP, parameters={"Ids": {"type": "StringList"}})
    found = previewed(document, Ids=["i-1", "i-2"])

    assert [(each.name, each.iteration) for each in found.steps] == [("each", 0), ("poke", 1), ("poke", 2), ("s1", 0)]
    assert [each.calls[0].params["InstanceIds"] for each in found.steps if each.calls] == [["i-1"], ["i-2"]]
    many = previewed(document, Ids=[f"i-{number}" for number in range(9)])
    assert [(each.name, each.iteration) for each in many.steps] == [("each", 0), ("poke", 0), ("s1", 0)]
    assert step(many, "poke").unknown == ("each.CurrentIteratorValue",)


def test_an_inner_step_may_lead_out_of_its_loop() -> None:
    """The outer step is reached only if that happens."""
    body = {"name": "poke", **api("RebootInstances", InstanceIds=[ID]), "onFailure": "step:tidy"}
    loop = {"name": "each", "action": "aws:loop", "inputs": {"Iterators": ["a"], "Steps": [body]}, "isEnd": True}
    found = previewed(book(loop, {"name": "tidy", **NAP}))

    assert (step(found, "tidy").reach, step(found, "tidy").why) == (Reach.ON_FAILURE, "if poke fails")


def test_in_any_iteration_an_earlier_one_may_have_changed_what_is_read() -> None:
    """What the body reads does not decide what its next iteration does."""
    body = [
        {"name": "look", **LOOK},
        {"name": "choose", **branch({"NextStep": "poke", "Variable": "{{ look.State }}", "StringEquals": "running"},
                                    Default="rest")},
        {"name": "poke", **api("StopInstances", InstanceIds=[ID]), "isEnd": True},
        {"name": "rest", **NAP},
    ]  # fmt: skip
    loop = {"name": "each", "action": "aws:loop", "inputs": {"Iterators": "{{ Ids }}", "Steps": body}}
    document = book(loop, parameters={"Ids": {"type": "StringList"}})
    found = previewed(document, {"ec2:DescribeInstances": STATE}, Ids=[f"i-{number}" for number in range(9)])

    assert {each.name: each.reach for each in found.steps if each.name in ("poke", "rest")} == {
        "poke": Reach.MAYBE,
        "rest": Reach.MAYBE,
    }


def test_the_role_of_the_run_is_told() -> None:
    """A preview looks as whoever asks, the run does not."""
    document = book(NAP, parameters={"Role": {"type": "String"}}, assumeRole="{{ Role }}")

    assert previewed(document, Role="arn:aws:iam::123456789012:role/r").role == "arn:aws:iam::123456789012:role/r"


def test_a_new_stack_deletes_none() -> None:
    """Also where its name is known only later."""
    stack = {"action": "aws:createStack", "inputs": {"StackName": "s{{ s0.Id }}", "TemplateBody": "{}"}}
    found = previewed(book(SCRIPT, stack))

    assert [call.name for call in step(found, "s1").calls] == ["cloudformation:CreateStack"]


def test_variables_are_followed() -> None:
    """A known value decides; one that only a script knows does not."""
    document = book(
        {"action": "aws:updateVariable", "inputs": {"Name": "variable:Mode", "Value": "stop"}},
        branch({"NextStep": "nap", "Variable": "{{ variable:Mode }}", "StringEquals": "stop"}, Default="other"),
        {"name": "other", **NAP},
        {"name": "nap", **NAP},
        variables={"Mode": {"type": "String", "default": ""}},
    )
    assert previewed(document).not_reached == ("other",)

    unknown = book(
        SCRIPT,
        {"action": "aws:updateVariable", "inputs": {"Name": "variable:Mode", "Value": "{{ s0.Id }}"}},
        branch({"NextStep": "nap", "Variable": "{{ variable:Mode }}", "StringEquals": "stop"}, Default="other"),
        {"name": "other", **NAP},
        {"name": "nap", **NAP},
        variables={"Mode": {"type": "String", "default": ""}},
    )
    assert previewed(unknown).not_reached == ()


def test_where_two_ways_meet_only_what_both_agree_on_is_known() -> None:
    """An output of one side is unknown afterwards, not missing."""
    document = book(
        SCRIPT,
        branch({"NextStep": "look", "Variable": "{{ s0.Id }}", "StringEquals": "x"}, Default="nap"),
        {"name": "look", **LOOK},
        {"name": "nap", **NAP},
        branch({"NextStep": "end", "Variable": "{{ look.State }}", "StringEquals": "running"}, Default="other"),
        {"name": "other", **NAP},
        {"name": "end", **NAP},
    )
    found = previewed(document, {"ec2:DescribeInstances": STATE})

    assert step(found, "s4").unknown == ("look.State",)
    assert found.not_reached == ()


def test_a_script_is_not_run_but_read() -> None:
    """What it can call is said; one that changes things makes earlier answers doubtful."""
    text = "import boto3\ndef h(e, c):\n    boto3.client('ec2').stop_instances(InstanceIds=[])\n"
    found = previewed(book({**SCRIPT, "inputs": {**SCRIPT["inputs"], "Script": text}}))  # type: ignore[dict-item]

    assert step(found, "s0").says == (
        "the script is not run in a preview",
        "it can change something: ec2:StopInstances",
    )


def test_a_question_to_people_is_shown_with_its_values() -> None:
    """Who, how many, and what."""
    ask = {"action": "aws:approve", "inputs": {"Approvers": ["ann", "bob"], "MinRequiredApprovals": 2,
           "Message": "stop {{ Id }}?"}}  # fmt: skip
    found = previewed(book(ask, parameters={"Id": {"type": "String"}}), Id=ID)

    assert step(found, "s0").says == ("waits until 2 of ann, bob approve", f"asks: stop {ID}?")


def test_child_runbooks_are_previewed_too() -> None:
    """With the parameters that the parent gives; to five levels."""
    child = book({"name": "stop", **STOP}, parameters={"Who": {"type": "String"}})
    parent = book(
        {"action": "aws:executeAutomation", "inputs": {"DocumentName": "Child", "RuntimeParameters": {"Who": ["x"]}}}
    )
    around = Surroundings(LookingAws(RecordingAws()), BY_NAME, NOW, lambda name, _: child if name == "Child" else None)
    inner = step(preview(parent, {}, around), "s0").child

    assert inner is not None
    assert inner.parameters == {"Who": "x"}
    assert inner.steps[0].calls[0].name == "ec2:StopInstances"

    itself = book({"action": "aws:executeAutomation", "inputs": {"DocumentName": "Me"}})
    around = Surroundings(LookingAws(RecordingAws()), BY_NAME, NOW, lambda *_: itself)
    depth, found = 1, preview(itself, {}, around)
    while (deeper := step(found, "s0").child) is not None:
        depth, found = depth + 1, deeper
    assert depth == 5


def test_runbooks_that_start_many_others_are_previewed_up_to_a_limit() -> None:
    """Ten children with ten children each and so on would never end."""
    many = book(*({"action": "aws:executeAutomation", "inputs": {"DocumentName": "Me"}} for _ in range(10)))
    asked: list[str] = []

    def documents(name: str, _: str) -> Document:
        asked.append(name)
        return many

    preview(many, {}, Surroundings(LookingAws(RecordingAws()), BY_NAME, NOW, documents))

    assert len(asked) == 30


def test_a_child_that_cannot_be_looked_into_is_said() -> None:
    """No silence where something may be lost."""
    found = previewed(book({"action": "aws:executeAutomation", "inputs": {"DocumentName": "Hidden"}}))

    assert step(found, "s0").says[-1] == "that runbook is not looked into here: preview it by itself"


def test_a_call_that_aws_would_refuse_is_told() -> None:
    """By its own model, before anything runs."""
    found = previewed(book(api("StopInstances", InstanceIds=[ID], Fast=True)))

    assert any(said.startswith("AWS would refuse it") and "Fast" in said for said in step(found, "s0").says)


def test_secrets_are_not_fetched_for_a_preview() -> None:
    """It says so, and the value stays unknown."""
    session = RecordingAws()
    document = book(api("GetSecretValue", "V=$.SecretString", service="secretsmanager", SecretId="s"))
    found = preview(document, {}, Surroundings(LookingAws(session), BY_NAME, NOW))

    assert step(found, "s0").says[0].startswith("not asked in a preview: ")
    assert session.asked == []


def test_wrong_parameters_are_refused() -> None:
    """As a start would."""
    with pytest.raises(ParametersInvalid, match="Missing required parameter: Id"):
        previewed(book(NAP, parameters={"Id": {"type": "String"}}))


@pytest.fixture
def fleet() -> Iterator[Any]:
    """An EC2 client of an imitated account."""
    with mock_aws():
        yield boto3.client("ec2", region_name="eu-west-1")


def test_against_an_account_nothing_is_changed_and_everything_is_told(fleet: Any) -> None:
    """The instance still runs; what stopping would take is in the preview."""
    made = fleet.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, InstanceType="m5d.large")
    instance = made["Instances"][0]["InstanceId"]
    document = book(
        {"action": "aws:changeInstanceState", "inputs": {"InstanceIds": ["{{ Id }}"], "DesiredState": "stopped"}},
        {"action": "aws:changeInstanceState", "inputs": {"InstanceIds": ["{{ Id }}"], "DesiredState": "terminated"}},
        parameters={"Id": {"type": "String"}},
    )
    looking = LookingAws(Aws(region="eu-west-1").session())
    found = preview(document, {"Id": instance}, Surroundings(looking, BY_NAME, NOW))
    sentences = [each.sentence for each in found.consequences]

    assert fleet.describe_instances()["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"
    assert [call.name for each in found.steps for call in each.calls] == ["ec2:StopInstances", "ec2:TerminateInstances"]
    assert "everything on its 75 GB of instance store" in sentences
    assert all(is_reading(name.partition(":")[2]) for name in looking.looked)


def any_value(type_: str) -> Any:
    """A value of a parameter's type."""
    values: dict[str, Any] = {
        "StringList": ["x"], "Integer": "1", "Boolean": "true", "StringMap": '{"a": "b"}', "MapList": ['{"a": "b"}'],
        "AWS::EC2::Instance::Id": ID, "List<AWS::EC2::Instance::Id>": [ID], "AWS::S3::Bucket::Name": "bucket",
        "AWS::IAM::Role::Arn": "arn:aws:iam::123456789012:role/r",
    }  # fmt: skip
    return values.get(type_, "x")


def anybodys(document: Document) -> Document:
    """The document without the rules of its parameters, so that any value will do."""
    free = {
        name: replace(
            each, allowed_pattern=None, allowed_values=(), min_chars=None, max_chars=None, min_items=None,
            max_items=None,
        )
        for name, each in document.parameters.items()
    }  # fmt: skip
    return replace(document, parameters=free)


@needs_corpus
@pytest.mark.parametrize("answers", ["empty", "refusing"])
def test_no_runbook_of_the_corpus_changes_anything_in_its_preview(answers: str) -> None:
    """Only questions get through to AWS, and every step is either walked or said to be not reached."""
    seen = 0
    for name, text in runbooks("aws-owned", "community"):
        try:
            document = anybodys(parse(text, name=name))
        except RunbookRefused:
            continue
        session = Contrary() if answers == "refusing" else RecordingAws(EMPTY)
        supplied = {key: any_value(each.type) for key, each in document.parameters.items() if each.is_required}
        found = preview(document, supplied, Surroundings(LookingAws(session), BY_NAME, NOW))

        assert all(is_reading(each.partition(":")[2]) for each in session.asked), name
        assert {each.name for each in found.steps} | set(found.not_reached) == {
            each.name for each in document.all_steps()
        }, name
        assert found.ends or found.steps[-1].fails is not Failing.NO, name
        seen += 1
    assert seen > 0


EMPTY = {"ssm:GetParameter": {"Parameter": {"Type": "String", "Value": "x"}}}


class Contrary(RecordingAws):
    """Refuses every second question."""

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """Answer or refuse by turns; Parameter Store always answers."""
        self.answers = EMPTY
        found = super().call(service, operation, params, region=region)
        if len(self.asked) % 2 and not found:
            raise AwsRefused("ResourceNotFoundException", "nothing is there")
        return found


def test_nothing_that_goes_past_aws_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A webhook is named and not called: the guard stands before AWS only."""
    integration = json.dumps({"url": "https://hooks.example.com/x"})
    answers = {"ssm:GetParameter": {"Parameter": {"Name": "x", "Type": "SecureString", "Value": integration}}}

    def post(*_: object) -> None:
        raise AssertionError("a preview has posted")

    monkeypatch.setattr("engine.actions.invoke_webhook.post", post)
    found = previewed(book({"action": "aws:invokeWebhook", "inputs": {"IntegrationName": "pager"}}), answers)

    assert "aws:invokeWebhook" in " ".join(found.steps[0].says)
