"""SSM's operations on executions, through boto3."""

import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from botocore.exceptions import ClientError

from engine.execution import Change
from infra.db import Database
from tests.bot.api.conftest import furnished
from tests.bot.api.worlds import ACCOUNT, LEE, MAX, ApiWorld, ask, hold, nap, runbook
from tests.fakes.clock import ManualClock

NOBODY = "0" * 36
FOREIGN = "arn:aws:ssm:eu-west-1:000000000000:document/Ask-First"


def code(call: Callable[[], Any]) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(caught.value.response["Error"]["Code"])


def status(world: ApiWorld, execution_id: str) -> str:
    """The status of an execution, as boto3 has it."""
    found = world.client().get_automation_execution(AutomationExecutionId=execution_id)
    return str(found["AutomationExecution"]["AutomationExecutionStatus"])


def approve(world: ApiWorld, execution_id: str, key: str = "AKIDLEE", **members: Any) -> None:
    """Approve what waits."""
    members = {"SignalType": "Approve", **members}
    world.client(key).send_automation_signal(AutomationExecutionId=execution_id, **members)
    world.work()


# -- start


def test_an_execution_is_started_answered_and_ends(both: ApiWorld) -> None:
    """Start, get, approve, get: what the AWS documentation shows."""
    execution_id = both.start(Parameters={"Who": ["me"]})
    waiting = both.client().get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]

    assert waiting["AutomationExecutionStatus"] == "Waiting"
    assert waiting["Parameters"] == {"Who": ["me"]}
    assert waiting["ExecutedBy"] == LEE
    assert waiting["CurrentStepName"] == "ask"
    assert [step["StepStatus"] for step in waiting["StepExecutions"]] == ["Waiting", "Pending"]

    approve(both, execution_id, Payload={"Comment": ["go"]})
    both.later(seconds=1)
    ended = both.client().get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]

    assert ended["AutomationExecutionStatus"] == "Success"
    assert ended["StepExecutions"][0]["Outputs"]["ApprovalStatus"] == ["Approved"]
    assert '"Comment":"go"' in ended["StepExecutions"][0]["Outputs"]["ApproverDecisions"][0]
    assert "ExecutionEndTime" in ended


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"DocumentName": "Nowhere"}, "AutomationDefinitionNotFoundException"),
        ({"DocumentName": FOREIGN}, "AutomationDefinitionNotFoundException"),
        ({"DocumentVersion": "7"}, "AutomationDefinitionVersionNotFoundException"),
        ({"Parameters": {"Whom": ["me"]}}, "InvalidAutomationExecutionParametersException"),
        ({"Parameters": {"Who": ["me", "you"]}}, "InvalidAutomationExecutionParametersException"),
        ({"TargetLocationsURL": "https://b.s3.example.com/x"}, "ValidationException"),
        ({"TargetLocationsURL": "https://localhost#.s3.amazonaws.com/x"}, "InvalidTarget"),
        ({"Mode": "Sometimes"}, "ValidationException"),
        ({"ClientToken": "x" * 36}, "ValidationException"),
        ({"Tags": [{"Key": f"k{n}", "Value": "v"} for n in range(6)]}, "ValidationException"),
        ({"Tags": [{"Key": "k", "Value": "v"}, {"Key": "k", "Value": "w"}]}, "ValidationException"),
    ],
)  # fmt: skip
def test_a_start_that_aws_would_refuse_is_refused_with_its_code(
    world: ApiWorld, members: dict[str, Any], wanted: str
) -> None:
    """Nothing is left behind by it."""
    members = {"DocumentName": "Ask-First", **members}

    assert code(lambda: world.client().start_automation_execution(**members)) == wanted
    assert world.client().describe_automation_executions()["AutomationExecutionMetadataList"] == []


@pytest.mark.parametrize(
    "name",
    [
        "Ask-First",
        f"arn:aws:ssm:eu-west-1:{ACCOUNT}:document/Ask-First",
        f"arn:aws:ssm:eu-west-1:{ACCOUNT}:automation-definition/Ask-First:1",
    ],
)
def test_a_document_is_found_by_name_and_by_arn(world: ApiWorld, name: str) -> None:
    """Both spellings that AWS takes."""
    assert world.state(world.start(name)).document_name == "Ask-First"


def test_an_execution_runs_in_the_region_it_was_signed_for(world: ApiWorld) -> None:
    """The credential's scope says where."""
    client = world.client(region="us-gov-west-1")
    execution_id = client.start_automation_execution(DocumentName="Ask-First")["AutomationExecutionId"]

    assert (world.state(execution_id).region, world.state(execution_id).partition) == ("us-gov-west-1", "aws-us-gov")


# -- once per token


def test_the_same_token_starts_once(world: ApiWorld) -> None:
    """Also in capitals, also after the document is gone: the answer is the execution that was started."""
    token = str(uuid.uuid4())
    first = world.start(ClientToken=token)
    world.client().delete_document(Name="Ask-First")

    assert world.start(ClientToken=token.upper()) == first


def test_a_token_that_says_something_else_is_refused(world: ApiWorld) -> None:
    """A token belongs to one start with one set of parameters."""
    token = str(uuid.uuid4())
    world.start(ClientToken=token)
    again = world.client().start_automation_execution

    members = {"DocumentName": "Ask-First", "ClientToken": token, "Parameters": {"Who": ["else"]}}
    assert code(lambda: again(**members)) == "IdempotentParameterMismatch"


def test_a_thousand_starts_at_once_with_one_token_are_one_execution(database: Database, clock: ManualClock) -> None:
    """Whoever comes first starts it; everybody gets its id."""
    world = furnished(database, clock)
    token = str(uuid.uuid4())

    def start(client: Any) -> str:
        found = client.start_automation_execution(DocumentName="Ask-First", ClientToken=token)
        return str(found["AutomationExecutionId"])

    with ThreadPoolExecutor(25) as pool:
        found = set(pool.map(start, [world.client()] * 1000))

    assert len(found) == 1
    assert len(world.client().describe_automation_executions()["AutomationExecutionMetadataList"]) == 1
    assert world.events().count("execution.started") == 1


def test_a_thousand_different_starts_at_once_with_one_token_are_one_execution(
    database: Database, clock: ManualClock
) -> None:
    """One wins; every other one is told that the token means something else."""
    world = furnished(database, clock)
    token = str(uuid.uuid4())

    def start(number: int) -> str:
        try:
            found = client.start_automation_execution(
                DocumentName="Ask-First", ClientToken=token, Parameters={"Who": [str(number)]}
            )
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return str(found["AutomationExecutionId"])

    client = world.client()
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(start, range(200)))

    assert found.count("IdempotentParameterMismatch") == 199
    assert world.events().count("execution.started") == 1


# -- signals


def test_only_those_on_the_step_may_answer(both: ApiWorld) -> None:
    """Somebody else is refused, it is in the trail, and the step waits on."""
    execution_id = both.start()

    assert code(lambda: approve(both, execution_id, "AKIDMAX")) == "AccessDeniedException"
    assert status(both, execution_id) == "Waiting"
    assert "approval.refused" in both.events()


@pytest.mark.parametrize(
    ("listed", "key"),
    [
        (LEE, "AKIDLEE"),
        ("lee", "AKIDLEE"),
        (f"arn:aws:iam::{ACCOUNT}:role/Operators", "AKIDOPS"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/Operators/sam", "AKIDOPS"),
    ],
)
def test_an_approver_is_a_user_a_role_or_a_session(world: ApiWorld, listed: str, key: str) -> None:
    """The four forms that AWS takes."""
    world.client().create_document(Name="Roles", Content=runbook(ask(listed)))
    execution_id = world.start("Roles")
    approve(world, execution_id, key)

    assert status(world, execution_id) == "Success"


def test_two_approvals_of_two_people_are_needed_where_the_step_says_two(both: ApiWorld) -> None:
    """The first one counts and shows; repeated by the same person it changes nothing."""
    both.client().create_document(Name="Two", Content=runbook(ask(LEE, MAX, MinRequiredApprovals=2)))
    execution_id = both.start("Two")
    approve(both, execution_id)
    approve(both, execution_id)
    found = both.client().get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]

    assert found["AutomationExecutionStatus"] == "Waiting"
    assert len(found["StepExecutions"][0]["Outputs"]["ApproverDecisions"]) == 1

    approve(both, execution_id, "AKIDMAX")

    assert status(both, execution_id) == "Success"


def test_one_rejection_ends_it(both: ApiWorld) -> None:
    """The step fails, and with it the execution; the comment is in the message."""
    execution_id = both.start()
    approve(both, execution_id, SignalType="Reject", Payload={"Comment": ["not tonight"]})
    found = both.client().get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]

    assert found["AutomationExecutionStatus"] == "Failed"
    assert "not tonight" in found["FailureMessage"]
    assert found["StepExecutions"][0]["Outputs"]["ApprovalStatus"] == ["Rejected"]


def test_an_answer_through_the_api_and_the_reactions_agree(both: ApiWorld) -> None:
    """Whether the question was asked before the answer or by it: there is one, and it is closed."""
    before = both.start()
    both.react()
    after = both.start()
    approve(both, before)
    approve(both, after)
    both.react()
    both.react()

    for execution_id in (before, after):
        with both.database.reading() as connection:
            requests = both.service.approvals.of_execution(connection, execution_id)
        assert [str(request.status) for request in requests] == ["Approved"]
        assert both.state(execution_id).steps[0].status == "Success"


def test_a_nested_question_may_be_answered_by_who_started_it(world: ApiWorld) -> None:
    """As on AWS: the child that waits is signalled, and its starter may be on its list."""
    parent = {"name": "call", "action": "aws:executeAutomation", "inputs": {"DocumentName": "Ask-First"}}
    world.client().create_document(Name="Parent", Content=runbook(parent))
    execution_id = world.start("Parent")
    found = world.client().describe_automation_executions(
        Filters=[{"Key": "ParentExecutionId", "Values": [execution_id]}]
    )["AutomationExecutionMetadataList"]

    assert [child["DocumentName"] for child in found] == ["Ask-First"]

    approve(world, found[0]["AutomationExecutionId"])
    world.later(seconds=1)

    assert status(world, execution_id) == "Success"


def test_a_pause_is_resumed(world: ApiWorld) -> None:
    """Resume names the step, or nothing."""
    world.client().create_document(Name="Hold", Content=runbook(hold(), hold("again")))
    execution_id = world.start("Hold")
    approve(world, execution_id, SignalType="Resume", Payload={"StepName": ["hold"]})
    approve(world, execution_id, SignalType="Resume")

    assert status(world, execution_id) == "Success"


def test_an_interactive_execution_goes_step_by_step(world: ApiWorld) -> None:
    """It waits before each step, names what may follow, and is completed by a person."""
    world.client().create_document(Name="Steps", Content=runbook(nap("one"), nap("two")))
    execution_id = world.start("Steps", Mode="Interactive")

    assert status(world, execution_id) == "Waiting"

    for name in ("one", "two"):
        approve(world, execution_id, SignalType="StartStep", Payload={"StepName": [name]})
        world.later(seconds=1)
    steps = world.client().describe_automation_step_executions(AutomationExecutionId=execution_id)["StepExecutions"]

    assert [step["StepStatus"] for step in steps] == ["Success", "Success"]
    assert steps[0]["ValidNextSteps"] == ["two"]

    world.client().stop_automation_execution(AutomationExecutionId=execution_id, Type="Complete")

    assert status(world, execution_id) == "Success"


@pytest.mark.parametrize(
    ("mode", "begun", "named", "says"),
    [
        ("Auto", False, "ask", "does not wait for a step to be started"),
        ("Interactive", False, "", "AWS wants to be told which step"),
        ("Interactive", False, "nap", "Step ask comes next, and none is left out at AWS from here"),
        ("Interactive", True, "nap", "What comes after step ask is known to AWS only"),
    ],
)
def test_at_aws_only_the_next_step_is_started(
    world: ApiWorld, *, mode: Literal["Auto", "Interactive"], begun: bool, named: str, says: str
) -> None:
    """Whoever names a step behind a question, or one of a run that goes by itself, is refused, and it is noted."""
    execution_id = at_aws(world, mode, begun=begun)
    last: dict[str, Any] = {"SignalType": "StartStep", **({"Payload": {"StepName": [named]}} if named else {})}

    with pytest.raises(ClientError, match=re.escape(says)) as caught:
        approve(world, execution_id, **last)
    assert caught.value.response["Error"]["Code"] == "InvalidAutomationSignalException"
    assert world.events().count("signal.refused") == 1


def test_the_next_step_is_started_at_aws(world: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is handed to the engine that carries it."""
    given = []
    monkeypatch.setattr(
        world.service.automation._parts, "engine", SimpleNamespace(signal=lambda *told: given.append(told))
    )
    execution_id = at_aws(world, "Interactive", begun=False)
    approve(world, execution_id, SignalType="StartStep", Payload={"StepName": ["ask"]})

    ((_, told_of, signal),) = given
    assert (told_of, signal.type, signal.payload) == (execution_id, "StartStep", {"StepName": "ask"})


def at_aws(world: ApiWorld, mode: Literal["Auto", "Interactive"], *, begun: bool) -> str:
    """An execution that AWS carries, before or in its first step."""
    execution_id = world.start()
    state = world.state(execution_id)
    steps = state.steps if begun else ()
    with world.database.transaction() as tx:
        state = replace(state, engine="ssm", phase="polling", mode=mode, steps=steps)
        world.service.executions.save(tx, Change(state), world.clock())
    return execution_id


def test_a_running_step_is_stopped(world: ApiWorld) -> None:
    """StopStep ends the step, by its id."""
    world.client().create_document(Name="Nap", Content=runbook(nap(seconds=600)))
    execution_id = world.start("Nap")
    step = world.state(execution_id).step
    assert step is not None
    approve(world, execution_id, SignalType="StopStep", Payload={"StepExecutionId": [step.id]})

    assert world.state(execution_id).steps[0].status == "Cancelled"


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"SignalType": "Resume"}, "InvalidAutomationSignalException"),
        ({"SignalType": "Revoke"}, "InvalidAutomationSignalException"),
        ({"SignalType": "StartStep", "Payload": {"StepName": ["ask"]}}, "InvalidAutomationSignalException"),
        ({"SignalType": "StartStep", "Payload": {"StepName": ["nope"]}}, "AutomationStepNotFoundException"),
        ({"SignalType": "StopStep", "Payload": {"StepExecutionId": ["x"]}}, "AutomationStepNotFoundException"),
        ({"SignalType": "Approve", "AutomationExecutionId": NOBODY}, "AutomationExecutionNotFoundException"),
        ({"SignalType": "Deny"}, "ValidationException"),
    ],
)
def test_a_signal_that_does_not_fit_is_refused(world: ApiWorld, members: dict[str, Any], wanted: str) -> None:
    """Nothing changes by it, and a signal that came at the wrong moment is in the trail."""
    execution_id = world.start()
    given = {"AutomationExecutionId": execution_id, **members}

    assert code(lambda: world.client().send_automation_signal(**given)) == wanted
    assert status(world, execution_id) == "Waiting"
    assert ("signal.refused" in world.events()) == (wanted == "InvalidAutomationSignalException")


def test_an_answer_after_the_end_is_refused(world: ApiWorld) -> None:
    """Nothing waits any more."""
    execution_id = world.start()
    world.client().stop_automation_execution(AutomationExecutionId=execution_id)

    assert code(lambda: approve(world, execution_id)) == "InvalidAutomationSignalException"


# -- stop


def test_an_execution_is_cancelled(world: ApiWorld) -> None:
    """Cancel is the default; a second time there is nothing to cancel."""
    execution_id = world.start()
    stop = world.client().stop_automation_execution
    stop(AutomationExecutionId=execution_id)

    assert status(world, execution_id) == "Cancelled"
    assert code(lambda: stop(AutomationExecutionId=execution_id)) == "InvalidAutomationStatusUpdateException"


def test_what_runs_by_itself_cannot_be_completed(world: ApiWorld) -> None:
    """Complete is for interactive executions."""
    stop, execution_id = world.client().stop_automation_execution, world.start()

    assert (
        code(lambda: stop(AutomationExecutionId=execution_id, Type="Complete"))
        == "InvalidAutomationStatusUpdateException"
    )
    assert code(lambda: stop(AutomationExecutionId=NOBODY)) == "AutomationExecutionNotFoundException"


# -- lists


def listed(world: ApiWorld, *filters: tuple[str, list[str]]) -> list[str]:
    """Ids of the executions that the filters let through, by boto3's paginator."""
    pages = world.client().get_paginator("describe_automation_executions").paginate(
        Filters=[{"Key": key, "Values": values} for key, values in filters] or None,
        PaginationConfig={"PageSize": 2},
    ) if filters else world.client().get_paginator("describe_automation_executions").paginate(
        PaginationConfig={"PageSize": 2}
    )  # fmt: skip
    return [each["AutomationExecutionId"] for page in pages for each in page["AutomationExecutionMetadataList"]]


def test_executions_are_listed_newest_first_in_pages(both: ApiWorld) -> None:
    """The paginator finds each one once, also when several began in the same moment."""
    found = []
    for number in range(7):
        found.append(both.start())
        both.clock.advance(timedelta(seconds=number % 2))

    assert set(listed(both)) == set(found)
    assert len(listed(both)) == 7
    assert listed(both)[0] == found[-1]


def test_executions_are_filtered(both: ApiWorld) -> None:
    """Keys are combined with and, values with or."""
    both.client().create_document(Name="Nap-Only", Content=runbook(nap()))
    first = both.start(Tags=[{"Key": "team", "Value": "shop"}])
    both.later(minutes=10)
    second = both.start("Nap-Only")
    both.later(minutes=10)
    middle = (both.clock() - timedelta(minutes=15)).isoformat()

    assert listed(both, ("DocumentNamePrefix", ["Nap"])) == [second]
    assert listed(both, ("DocumentNamePrefix", ["Nap", "Ask"])) == [second, first]
    assert listed(both, ("ExecutionStatus", ["Waiting", "Failed"])) == [first]
    assert listed(both, ("ExecutionId", [first])) == [first]
    assert listed(both, ("CurrentAction", ["aws:approve"])) == [first]
    assert listed(both, ("TagKey", ["team"])) == [first]
    assert listed(both, ("StartTimeAfter", [middle])) == [second]
    assert listed(both, ("StartTimeBefore", [middle])) == [first]
    assert listed(both, ("AutomationType", ["CrossAccount"])) == []
    assert listed(both, ("AutomationType", ["Local"]), ("ExecutionStatus", ["Success"])) == [second]
    assert listed(both, ("OpsItemId", ["oi-1"])) == []


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ([{"Key": "ExecutionStatus", "Values": ["Sleeping"]}], "InvalidFilterValue"),
        ([{"Key": "StartTimeAfter", "Values": ["yesterday"]}], "InvalidFilterValue"),
        ([{"Key": "StartTimeAfter", "Values": ["9" * 40]}], "InvalidFilterValue"),
        ([{"Key": "ExecutionId", "Values": ["a"]}] * 2, "InvalidFilterKey"),
        ([{"Key": "Colour", "Values": ["red"]}], "ValidationException"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(world: ApiWorld, filters: list[Any], wanted: str) -> None:
    """With AWS's codes."""
    assert code(lambda: world.client().describe_automation_executions(Filters=filters)) == wanted


def test_a_token_is_good_for_the_list_it_came_from_only(world: ApiWorld) -> None:
    """Invented, broken and borrowed tokens are refused."""
    world.start()
    world.start()
    describe = world.client().describe_automation_executions
    token = describe(MaxResults=1)["NextToken"]
    other = [{"Key": "ExecutionStatus", "Values": ["Waiting"]}]

    assert len(describe(NextToken=token)["AutomationExecutionMetadataList"]) == 1
    assert code(lambda: describe(NextToken=token, Filters=other)) == "InvalidNextToken"
    assert code(lambda: describe(NextToken="eyJ4IjoxfQ==")) == "InvalidNextToken"
    assert code(lambda: describe(NextToken="ü")) == "InvalidNextToken"


def test_steps_are_listed_filtered_and_reversed(world: ApiWorld) -> None:
    """In pages, too."""
    names = ["a", "b", "c", "d"]
    world.client().create_document(Name="Four", Content=runbook(*(nap(name) for name in names)))
    execution_id = world.start("Four")
    for _ in names[1:]:
        world.later(seconds=1)

    def steps(**members: Any) -> list[str]:
        pages = (
            world.client()
            .get_paginator("describe_automation_step_executions")
            .paginate(AutomationExecutionId=execution_id, PaginationConfig={"PageSize": 3}, **members)
        )
        return [step["StepName"] for page in pages for step in page["StepExecutions"]]

    def of(key: str, *values: str) -> list[str]:
        return steps(Filters=[{"Key": key, "Values": list(values)}])

    moment = (world.clock() - timedelta(seconds=2)).isoformat()
    assert steps() == names
    assert steps(ReverseOrder=True) == names[::-1]
    assert of("StepExecutionStatus", "Success") == ["a", "b", "c"]
    assert of("StepName", "b", "d") == ["b", "d"]
    assert of("Action", "aws:sleep") == names
    assert of("StepExecutionId", world.state(execution_id).steps[2].id) == ["c"]
    assert of("StartTimeAfter", moment) == ["c", "d"]
    assert of("StartTimeBefore", moment) == ["a"]
    assert code(lambda: of("StepExecutionStatus", "Tired")) == "InvalidFilterValue"
    assert code(
        lambda: world.client().describe_automation_step_executions(AutomationExecutionId=NOBODY)
    ) == "AutomationExecutionNotFoundException"  # fmt: skip


# -- previews


def test_a_preview_counts_what_the_steps_may_do(both: ApiWorld) -> None:
    """By AWS's three classes; nothing is started by it."""
    client = both.client()
    preview_id = client.start_execution_preview(DocumentName="Ask-First")["ExecutionPreviewId"]
    found = client.get_execution_preview(ExecutionPreviewId=preview_id)

    assert found["Status"] == "Success"
    assert found["ExecutionPreview"]["Automation"]["StepPreviews"] == {"NonMutating": 2}
    assert found["ExecutionPreview"]["Automation"]["Regions"] == ["eu-west-1"]
    assert client.describe_automation_executions()["AutomationExecutionMetadataList"] == []


def test_a_preview_of_wrong_parameters_fails_and_says_why(world: ApiWorld) -> None:
    """The sentence is the one that a start would be refused with."""
    client = world.client()
    inputs = {"Automation": {"Parameters": {"Whom": ["x"]}}}
    preview_id = client.start_execution_preview(DocumentName="Ask-First", ExecutionInputs=inputs)["ExecutionPreviewId"]
    found = client.get_execution_preview(ExecutionPreviewId=preview_id)

    assert found["Status"] == "Failed"
    assert 'Did you mean "Who"?' in found["StatusMessage"]
    assert code(lambda: client.start_execution_preview(DocumentName="Nowhere")) == "ValidationException"
    assert (
        code(lambda: client.get_execution_preview(ExecutionPreviewId=str(uuid.uuid4()))) == "ResourceNotFoundException"
    )


def test_steps_are_listed_as_they_began(world: ApiWorld) -> None:
    """Not as they stand in the document."""
    names = [{**nap("a"), "nextStep": "c"}, {**nap("b"), "isEnd": True}, {**nap("c"), "nextStep": "b"}]
    world.client().create_document(Name="Jumps", Content=runbook(*names))
    execution_id = world.start("Jumps")
    for _ in names:
        world.later(seconds=1)

    def steps(**members: Any) -> list[str]:
        found = world.client().describe_automation_step_executions(AutomationExecutionId=execution_id, **members)
        return [step["StepName"] for step in found["StepExecutions"]]

    assert steps() == ["a", "c", "b"]
    assert steps(ReverseOrder=True) == ["b", "c", "a"]


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_no_text_that_a_script_makes_is_our_defect(both: ApiWorld, text: str) -> None:
    """What an action puts out is not the caller's: it is told as well as JSON can, here and in every list."""
    both.client().create_document(Name="Nap", Content=runbook(nap()))
    execution_id = both.start("Nap")
    both.later(seconds=2)
    with both.database.transaction() as tx:
        claimed = both.service.executions.lock(tx, execution_id)
        assert claimed is not None
        step = replace(claimed.execution.steps[0], outputs={"Said": text}, failure_message=text)
        both.service.executions.save(tx, Change(replace(claimed.execution, steps=(step,))), both.clock())
    told = both.client().get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
    listed = both.client().describe_automation_executions()["AutomationExecutionMetadataList"]

    assert told["StepExecutions"][0]["Outputs"]["Said"][0].startswith("a")
    assert [each["AutomationExecutionId"] for each in listed] == [execution_id]
