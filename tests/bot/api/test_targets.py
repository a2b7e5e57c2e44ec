"""Rate control through SSM's API: one start on many targets, told as AWS tells it."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra import s3_objects
from infra.aws import AwsSession
from infra.db import Database
from tests.bot.api.test_automations import code
from tests.bot.api.worlds import ACCOUNT, ApiWorld, ask, nap, runbook
from tests.fakes.clock import ManualClock

PARAMETERS = {
    "Name": {"type": "String"},
    "Size": {"type": "String", "default": "small", "allowedValues": ["small", "big"]},
}


@pytest.fixture
def world(database: Database, clock: ManualClock) -> ApiWorld:
    """A door with documents to fan out, once on SQLite and once on PostgreSQL."""
    return furnished(database, clock)


@pytest.fixture
def lone(sqlite_database: Database, clock: ManualClock) -> ApiWorld:
    """The same on SQLite alone, for what no rows are written for."""
    return furnished(sqlite_database, clock)


def furnished(database: Database, clock: ManualClock) -> ApiWorld:
    """A door with its documents."""
    made = ApiWorld(database, clock)
    client = made.client()
    named = {**nap(), "isEnd": True}
    broken = {**nap("stop"), "inputs": {"Duration": "{{ Name }}"}, "isEnd": True}
    choose = {
        "name": "choose",
        "action": "aws:branch",
        "inputs": {
            "Choices": [{"NextStep": "stop", "Variable": "{{ Name }}", "StringEquals": "bad"}],
            "Default": "nap",
        },
    }
    texts = {
        "Nap-Each": runbook(choose, named, broken, parameters=PARAMETERS),
        "Ask-Each": runbook(ask(), parameters=PARAMETERS),
    }
    for name, text in texts.items():
        client.create_document(Name=name, Content=text, DocumentType="Automation", DocumentFormat="JSON")
    return made


def on(*values: str, **members: Any) -> dict[str, Any]:
    """A start on these targets."""
    return {"Targets": [{"Key": "ParameterValues", "Values": list(values)}], "TargetParameterName": "Name", **members}


def get(world: ApiWorld, execution_id: str) -> dict[str, Any]:
    """GetAutomationExecution."""
    answer: dict[str, Any] = world.client().get_automation_execution(AutomationExecutionId=execution_id)
    return dict(answer["AutomationExecution"])


def children(world: ApiWorld, execution_id: str) -> list[dict[str, Any]]:
    """What DescribeAutomationExecutions finds below it, by target."""
    filters = [{"Key": "ParentExecutionId", "Values": [execution_id]}]
    found = world.client().describe_automation_executions(Filters=filters)["AutomationExecutionMetadataList"]
    return sorted(found, key=lambda child: str(child["Target"]))


def run(world: ApiWorld) -> None:
    """Let every nap end."""
    for _ in range(10):
        world.later(seconds=2)


def test_one_start_is_one_child_for_each_target(world: ApiWorld) -> None:
    """The parent tells its targets as steps, the child whose it is; both are what AWS shows."""
    parent = world.start(
        "Nap-Each", **on("a", "b", "c", MaxConcurrency="10", MaxErrors="1", Parameters={"Size": ["big"]})
    )
    run(world)
    found, below = get(world, parent), children(world, parent)

    assert found["AutomationExecutionStatus"] == "Success"
    assert (found["DocumentName"], found["DocumentVersion"], found["Parameters"]) == (
        "Nap-Each",
        "1",
        {"Size": ["big"]},
    )
    assert (found["MaxConcurrency"], found["MaxErrors"], found["TargetParameterName"]) == ("10", "1", "Name")
    assert found["Targets"] == on("a", "b", "c")["Targets"]
    assert found["ResolvedTargets"] == {"ParameterValues": ["a", "b", "c"], "Truncated": False}
    assert found["TargetsSummary"] == {
        "TotalCount": 3, "StartedCount": 3, "CompletedCount": 3, "SuccessfulCount": 3, "FailedCount": 0,
    }  # fmt: skip
    assert found["ProgressCounters"]["SuccessSteps"] == 3
    assert [(step["StepName"], step["StepStatus"], step["Inputs"]) for step in found["StepExecutions"]] == [
        (name, "Success", {"Name": name}) for name in "abc"
    ]
    assert [child["Target"] for child in below] == ["a", "b", "c"]
    assert [step["Outputs"]["ExecutionId"] for step in found["StepExecutions"]] == [
        [child["AutomationExecutionId"]] for child in below
    ]
    assert get(world, below[0]["AutomationExecutionId"])["Parameters"] == {"Name": ["a"], "Size": ["big"]}
    assert below[0]["ParentAutomationExecutionId"] == parent


def test_the_first_error_ends_what_is_not_begun(world: ApiWorld) -> None:
    """MaxErrors 0: the targets that were never begun are Cancelled, the parent has failed and says where."""
    parent = world.start("Nap-Each", **on("bad", "b", "c", MaxErrors="0"))
    run(world)
    found = get(world, parent)

    assert found["AutomationExecutionStatus"] == "Failed"
    assert [step["StepStatus"] for step in found["StepExecutions"]] == ["Failed", "Cancelled", "Cancelled"]
    assert "1 of 1 targets did not succeed (bad: Failed" in found["FailureMessage"]
    assert (found["TargetsSummary"]["StartedCount"], found["TargetsSummary"]["FailedCount"]) == (1, 1)


def test_the_steps_of_a_parent_are_its_targets(world: ApiWorld) -> None:
    """DescribeAutomationStepExecutions filters them as every step; those not begun are Pending."""
    parent = world.start("Ask-Each", **on("a", "b", MaxConcurrency="1"))
    filters = [{"Key": "StepExecutionStatus", "Values": ["Pending"]}]
    client = world.client()
    pending = client.describe_automation_step_executions(AutomationExecutionId=parent, Filters=filters)
    every = client.describe_automation_step_executions(AutomationExecutionId=parent)

    assert [step["StepName"] for step in pending["StepExecutions"]] == ["b"]
    assert [step["StepStatus"] for step in every["StepExecutions"]] == ["InProgress", "Pending"]


def test_a_stop_ends_every_target(world: ApiWorld) -> None:
    """The parent is Cancelled, and so is the child that ran."""
    parent = world.start("Ask-Each", **on("a", "b"))
    world.client().stop_automation_execution(AutomationExecutionId=parent)
    run(world)

    assert get(world, parent)["AutomationExecutionStatus"] == "Cancelled"
    assert [child["AutomationExecutionStatus"] for child in children(world, parent)] == ["Cancelled"]


def test_maps_give_several_parameters(world: ApiWorld) -> None:
    """One child for each map."""
    parent = world.start("Nap-Each", TargetMaps=[{"Name": ["a"], "Size": ["big"]}, {"Name": ["b"]}])
    run(world)
    below = children(world, parent)
    given = [get(world, child["AutomationExecutionId"])["Parameters"] for child in below]

    assert given == [{"Name": ["a"], "Size": ["big"]}, {"Name": ["b"], "Size": ["small"]}]
    assert get(world, parent)["TargetMaps"] == [{"Name": ["a"], "Size": ["big"]}, {"Name": ["b"]}]


def test_places_and_targets_are_three_levels(world: ApiWorld) -> None:
    """The parent has a child for each account and Region, and each of them a child for each target."""
    place = {"Accounts": [ACCOUNT], "Regions": ["eu-west-1", "us-east-1"], "TargetLocationMaxConcurrency": "2"}
    parent = world.start("Nap-Each", **on("a", "b", TargetLocations=[place]))
    run(world)
    (first, second) = children(world, parent)
    listed = world.client().describe_automation_executions(
        Filters=[{"Key": "AutomationType", "Values": ["CrossAccount"]}]
    )

    assert [each["Target"] for each in (first, second)] == [f"{ACCOUNT}/eu-west-1", f"{ACCOUNT}/us-east-1"]
    assert first["ResolvedTargets"]["ParameterValues"] == ["a", "b"]
    assert [each["Target"] for each in children(world, second["AutomationExecutionId"])] == ["a", "b"]
    assert get(world, parent)["TargetLocations"] == [place]
    assert [each["AutomationExecutionId"] for each in listed["AutomationExecutionMetadataList"]] == [parent]


def test_each_location_has_its_own_pace(world: ApiWorld) -> None:
    """An error in a place ends what is not begun of its location, not of the others; one is too much altogether."""
    strict = {"Accounts": [ACCOUNT], "Regions": ["eu-west-1", "eu-west-2"]}
    lenient = {
        "Accounts": [ACCOUNT],
        "Regions": ["us-east-1", "us-east-2"],
        "TargetLocationMaxErrors": "2",
        "TargetLocationMaxConcurrency": "2",
    }
    parent = world.start("Nap-Each", **on("bad", TargetLocations=[strict, lenient]))
    run(world)
    found = get(world, parent)

    assert {step["StepName"].partition("/")[2]: step["StepStatus"] for step in found["StepExecutions"]} == {
        "eu-west-1": "Failed", "eu-west-2": "Cancelled", "us-east-1": "Failed", "us-east-2": "Failed",
    }  # fmt: skip
    assert found["StepExecutions"][2]["TargetLocation"] == {"Accounts": [ACCOUNT], "Regions": ["us-east-1"]}
    assert found["AutomationExecutionStatus"] == "Failed"


def test_what_runs_on_a_resource_group_is_found_by_it(lone: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """DescribeAutomationExecutions' filter TargetResourceGroup."""
    arn = {"ResourceArn": f"arn:aws:ec2:eu-west-1:{ACCOUNT}:volume/vol-1"}
    monkeypatch.setattr(AwsSession, "call", lambda *_, **__: {"ResourceIdentifiers": [arn]})
    group = [{"Key": "ResourceGroup", "Values": ["web"]}]
    found = lone.start("Nap-Each", Targets=group, TargetParameterName="Name")
    lone.start("Nap-Each", **on("a"))
    filters = [{"Key": "TargetResourceGroup", "Values": ["web", "db"]}]
    listed = lone.client().describe_automation_executions(Filters=filters)["AutomationExecutionMetadataList"]

    assert [each["AutomationExecutionId"] for each in listed] == [found]
    assert listed[0]["ResolvedTargets"]["ParameterValues"] == ["vol-1"]


def test_a_value_is_never_evaluated(world: ApiWorld) -> None:
    """What a caller says reaches the child letter by letter."""
    parent = world.start("Nap-Each", **on("{{ global:REGION }}"))
    run(world)
    (child,) = children(world, parent)

    assert get(world, child["AutomationExecutionId"])["Parameters"]["Name"] == ["{{ global:REGION }}"]


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"MaxErrors": "1", "Parameters": {"Name": ["a"]}}, "InvalidTarget"),
        ({"Targets": [{"Key": "ParameterValues", "Values": ["a"]}]}, "InvalidTarget"),
        ({"TargetParameterName": "Name"}, "InvalidTarget"),
        (on("a", TargetParameterName="Nobody"), "InvalidTarget"),
        (on("a", TargetMaps=[{"Name": ["a"]}]), "InvalidTarget"),
        (
            {
                "TargetMaps": [{"Name": ["a"]}],
                "TargetLocations": [{"Targets": [{"Key": "tag:a", "Values": ["b"]}]}],
                "TargetParameterName": "Name",
            },
            "InvalidTarget",
        ),
        ({"Targets": [{"Key": "Colour", "Values": ["red"]}], "TargetParameterName": "Name"}, "InvalidTarget"),
        ({"TargetMaps": [{"Nobody": ["a"]}]}, "InvalidTarget"),
        (on("a", MaxConcurrency="0"), "ValidationException"),
        (on("a", Parameters={"Size": ["huge"]}), "InvalidAutomationExecutionParametersException"),
        (on("a", Parameters={"Whom": ["x"]}), "InvalidAutomationExecutionParametersException"),
        (
            {"TargetLocations": [{"TargetLocationAlarmConfiguration": {"Alarms": [{"Name": "a"}, {"Name": "b"}]}}]},
            "ValidationException",
        ),
    ],
)  # fmt: skip
def test_targets_that_cannot_be_meant_are_refused(lone: ApiWorld, members: dict[str, Any], wanted: str) -> None:
    """With AWS's code, before anything is started."""
    client = lone.client()

    assert code(lambda: client.start_automation_execution(DocumentName="Nap-Each", **members)) == wanted
    assert client.describe_automation_executions()["AutomationExecutionMetadataList"] == []


URL = "https://fleet.s3.eu-west-1.amazonaws.com/where.json?X-Amz-Signature=0123"
PLACE = {"Accounts": [ACCOUNT], "Regions": ["eu-west-1"]}


def serve(monkeypatch: pytest.MonkeyPatch, content: str) -> list[str]:
    """S3 has that object; returns the URLs it is asked for."""
    asked: list[str] = []

    def read(url: str, **_: Any) -> bytes:
        asked.append(url)
        return content.encode()

    monkeypatch.setattr(s3_objects, "at_url", read)
    return asked


@pytest.mark.parametrize("content", [json.dumps([PLACE]), json.dumps({"TargetLocations": [PLACE]})])
def test_places_may_stand_in_a_file(lone: ApiWorld, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """It is read once, when the execution starts; what signs the URL is kept nowhere."""
    asked, token = serve(monkeypatch, content), "00000000-0000-4000-8000-000000000000"
    parent = lone.start("Nap-Each", **on("a", TargetLocationsURL=URL, ClientToken=token))
    again = lone.start("Nap-Each", **on("a", TargetLocationsURL=URL, ClientToken=token))
    run(lone)
    found = get(lone, parent)

    assert (again, asked) == (parent, [URL])
    assert found["AutomationExecutionStatus"] == "Success"
    assert found["TargetLocations"] == [PLACE]
    assert found["TargetLocationsURL"] == "https://fleet.s3.eu-west-1.amazonaws.com/where.json"
    with lone.database.reading() as connection:
        assert "X-Amz" not in str([entry.event.data for entry in lone.service.audit.entries(connection)])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<Error/>", "the file is not JSON"),
        ("{}", "There is no TargetLocations"),
        ("[]", "greater than or equal to 1"),
        ('[{"Accounts": ["me"]}]', "twelve digits"),
        ('[{"Regions": ["{{x}}"]}]', "is one such as eu-west-1"),
        ('[{"Place": 1}]', "Unknown member 'Place'"),
        ('["x"]', "can not be converted"),
    ],
)
def test_a_file_that_says_something_else_starts_nothing(
    lone: ApiWorld, monkeypatch: pytest.MonkeyPatch, content: str, words: str
) -> None:
    """It is checked as the member would be; so is a URL of any other host, or beside TargetLocations."""
    asked = serve(monkeypatch, content)
    start = lone.client().start_automation_execution

    with pytest.raises(ClientError, match=f"InvalidTarget.*{words}"):
        start(DocumentName="Nap-Each", **on("a", TargetLocationsURL=URL))
    asked.clear()
    both = on("a", TargetLocationsURL=URL, TargetLocations=[PLACE])
    assert code(lambda: start(DocumentName="Nap-Each", **both)) == "InvalidTarget"
    elsewhere = on("a", TargetLocationsURL="https://fleet.example.com/where.json")
    assert code(lambda: start(DocumentName="Nap-Each", **elsewhere)) == "ValidationException"
    assert asked == []
    assert lone.client().describe_automation_executions()["AutomationExecutionMetadataList"] == []


def test_one_token_is_one_fan_out(world: ApiWorld) -> None:
    """And with other targets it is refused."""
    token = "00000000-0000-4000-8000-000000000000"
    first, again = (world.start("Nap-Each", ClientToken=token, **on("a")) for _ in range(2))

    assert first == again
    assert code(lambda: world.start("Nap-Each", ClientToken=token, **on("b"))) == "IdempotentParameterMismatch"


def test_a_preview_counts_targets(lone: ApiWorld) -> None:
    """As far as it is known without asking AWS."""
    client = lone.client()
    inputs = {"Automation": on("a", "b", TargetLocations=[{"Accounts": [ACCOUNT], "Regions": ["us-east-1"]}])}
    preview_id = client.start_execution_preview(DocumentName="Nap-Each", ExecutionInputs=inputs)["ExecutionPreviewId"]
    found = client.get_execution_preview(ExecutionPreviewId=preview_id)["ExecutionPreview"]["Automation"]

    assert (found["Regions"], found["TotalAccounts"]) == (["us-east-1"], 1)
    assert [each["Count"] for each in found["TargetPreviews"]] == [2]


def test_a_target_that_fits_no_parameter_is_one_error_of_those_allowed(world: ApiWorld) -> None:
    """Its child has failed and says why; the others run to their end, and MaxErrors decides."""
    pattern = {"Name": {"type": "String", "allowedPattern": "^[a-z]$"}}
    content = runbook({**nap(), "isEnd": True}, parameters=pattern)
    world.client().create_document(Name="Letters", Content=content, DocumentType="Automation")
    parent = world.start("Letters", **on("a", "NO", "c", MaxConcurrency="10", MaxErrors="1"))
    run(world)
    found, below = get(world, parent), children(world, parent)

    assert [step["StepStatus"] for step in found["StepExecutions"]] == ["Success", "Failed", "Success"]
    assert found["TargetsSummary"]["FailedCount"] == 1
    assert "Name" in below[0]["FailureMessage"]


def test_a_start_that_found_nothing_says_so(lone: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has succeeded, and nobody takes that for work that was done."""
    monkeypatch.setattr(AwsSession, "call", lambda *_a, **_k: {"ResourceTagMappingList": []})
    parent = lone.start("Nap-Each", Targets=[{"Key": "tag:App", "Values": ["none"]}], TargetParameterName="Name")
    run(lone)
    found = get(lone, parent)
    listed = lone.client().describe_automation_executions()["AutomationExecutionMetadataList"]

    assert (found["AutomationExecutionStatus"], found["StepExecutions"]) == ("Success", [])
    assert found["WarningMessage"] == listed[0]["WarningMessage"] == "No target was found; nothing was run."
