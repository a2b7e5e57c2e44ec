"""The SSM engine where AWS is in trouble: throttled, lost, stale, cut. Nothing is done twice, nothing given up."""

import json
from typing import Any

import pytest

from engine.execution import Status
from engine.protocol import StartOrder
from engine.signals import Signal, SignalType
from engine.ssm import client_token
from engine.ssm_adoption import AdoptionRule
from engine.ssm_store import SsmStore
from engine.validation import parse
from infra.aws_errors import AwsRefused
from infra.db import Database
from tests.engine.test_ssm import KIM, LEE, NAP, Host, adopting, elsewhere, gate, host, ssm
from tests.fakes.clock import ManualClock
from tests.fakes.ssm import DENIED, EXPIRED, LOST, THROTTLED, FakeSsm

__all__ = ["elsewhere", "host", "ssm"]
TROUBLE = AwsRefused("InternalServerError", "An internal error occurred", status=500)
STALE_SIGNATURE = AwsRefused("RequestExpired", "Request has expired", status=400)
PEOPLES_ROLES = {KIM.id: "arn:aws:iam::123456789012:role/kim", LEE.id: "arn:aws:iam::123456789012:role/lee"}


def test_trouble_of_aws_after_a_start_is_no_refusal(host: Host, ssm: FakeSsm) -> None:
    """A 500 says nothing of what was done: the same start is told again, and runs once."""
    ssm.late["StartAutomationExecution"] = [TROUBLE]
    identity = host.start(gate("ask"))
    host.follow(5, looks=3)

    with ssm.db.reading() as connection:
        assert len(ssm.store.everything(connection)) == 1
    assert host.state(identity).status is Status.WAITING


def test_a_start_is_repeated_word_for_word(host: Host, ssm: FakeSsm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a newer version would say otherwise would be another wish to AWS."""
    ssm.late["StartAutomationExecution"] = [LOST]
    identity = host.start(gate("ask"))
    host.follow()
    monkeypatch.setattr("engine.ssm_commands.client_token", lambda _: "another")
    host.follow(61, looks=2)

    first, second = (members for name, members, _ in ssm.asked if name == "StartAutomationExecution")
    assert first == second
    assert host.state(identity).status is Status.WAITING


@pytest.mark.parametrize("error", [TROUBLE, STALE_SIGNATURE, THROTTLED, EXPIRED, DENIED], ids=lambda each: each.code)
@pytest.mark.parametrize("operation", ["SendAutomationSignal", "StopAutomationExecution"])
def test_what_passes_ends_no_wish(host: Host, ssm: FakeSsm, error: Exception, operation: str) -> None:
    """An answer and a stop are told again when AWS is well, or lets us in."""
    identity = host.start(gate("ask"))
    host.follow()
    ssm.early[operation] = [error, error]
    if operation == "SendAutomationSignal":
        host.answer(identity)
    else:
        with host.db.transaction() as tx:
            host.engine.stop(tx, identity, KIM)
    host.follow(30, looks=8)

    assert host.state(identity).is_over
    assert host.state(identity).status is ssm.state(host.state(identity).aws_id).status


@pytest.mark.parametrize("timing", ["early", "late"])
@pytest.mark.parametrize("number", [0, 1], ids=["the first", "the second"])
@pytest.mark.parametrize("error", [LOST, TROUBLE, THROTTLED], ids=["lost", "500", "throttled"])
def test_trouble_with_one_of_several_signers_strands_nothing(
    database: Database, clock: ManualClock, ssm: FakeSsm, timing: str, number: int, error: Exception
) -> None:
    """What AWS shows of the others' approvals counts, and everybody's is given."""
    host = Host(database, clock, ssm, PEOPLES_ROLES)
    identity = host.start(gate("ask", minimum=2, approvers=tuple(PEOPLES_ROLES.values())), gate("next"))
    host.follow()
    host.answer(identity, by=KIM)
    host.answer(identity, by=LEE)
    getattr(ssm, timing)["SendAutomationSignal"] = [*[None] * number, error]
    host.follow(1)
    host.follow(30, looks=8)

    assert [step.status for step in ssm.state(host.state(identity).aws_id).steps] == [Status.SUCCESS, Status.WAITING]
    assert host.state(identity).notice == ""


def test_approvals_that_come_one_by_one_are_given_one_by_one(
    database: Database, clock: ManualClock, ssm: FakeSsm
) -> None:
    """The first is not refused because the second is not there yet."""
    host = Host(database, clock, ssm, PEOPLES_ROLES)
    identity = host.start(gate("ask", minimum=2, approvers=tuple(PEOPLES_ROLES.values())))
    host.follow()
    host.answer(identity, by=KIM)
    host.follow(1)
    assert (host.state(identity).status, host.state(identity).notice) == (Status.WAITING, "")

    host.answer(identity, by=LEE)
    host.follow(1, looks=3)
    assert host.state(identity).status is Status.SUCCESS


def stepwise(host: Host, *steps: dict[str, Any]) -> str:
    """Start a document that goes on only when told to."""
    text = json.dumps({"schemaVersion": "0.3", "mainSteps": [*steps]})
    order = StartOrder(parse(text, name="Steps"), {}, LEE, "eu-west-1", "123456789012", mode="Interactive")
    with host.db.transaction() as tx:
        return host.engine.start(tx, order)


def start_step(host: Host, identity: str) -> None:
    """Have the next step begun."""
    with host.db.transaction() as tx:
        host.engine.signal(tx, identity, Signal(SignalType.START_STEP, KIM))


def test_each_step_can_be_started(host: Host, ssm: FakeSsm) -> None:
    """The same words again are another wish once the step before is known; Complete ends it."""
    identity = stepwise(host, NAP, {**NAP, "name": "again"})
    host.follow(1, looks=2)
    for _ in range(2):
        start_step(host, identity)
        start_step(host, identity)
        host.follow(6, looks=3)
    assert ssm.times("SendAutomationSignal") == 2

    with host.db.transaction() as tx:
        host.engine.stop(tx, identity, KIM, "Complete")
    host.follow(1, looks=2)
    assert (host.state(identity).status, len(host.state(identity).steps)) == (Status.SUCCESS, 2)


@pytest.mark.parametrize("timing", ["early", "late"])
def test_a_step_is_never_started_by_a_blind_repetition(host: Host, ssm: FakeSsm, timing: str) -> None:
    """It has arrived when a step has begun; where none has after a while, people are told, and may ask again."""
    identity = stepwise(host, NAP, {**NAP, "name": "again"})
    host.follow(1, looks=2)
    getattr(ssm, timing)["SendAutomationSignal"] = [LOST]
    start_step(host, identity)
    host.follow(10, looks=8)
    assert ssm.times("SendAutomationSignal") == 1
    is_lost = timing == "early"
    assert ("ask again" in host.state(identity).notice) is is_lost
    assert len(ssm.state(host.state(identity).aws_id).steps) == (0 if is_lost else 1)

    start_step(host, identity)
    host.follow(10, looks=2)
    assert len(ssm.state(host.state(identity).aws_id).steps) == (1 if is_lost else 2)


def test_a_stale_look_sends_nothing_again(host: Host, ssm: FakeSsm) -> None:
    """One late reading that shows the first gate waiting does not approve the second one."""
    identity = host.start(gate("one"), gate("two"))
    host.follow()
    old = ssm.told(host.state(identity).aws_id)
    host.answer(identity)
    ssm.late["SendAutomationSignal"] = [LOST]
    host.follow()
    ssm.stale = [old] * 3
    host.follow(16)
    host.follow(1, looks=3)

    assert ssm.times("SendAutomationSignal") == 1
    assert [step.status for step in host.state(identity).steps] == [Status.SUCCESS, Status.WAITING]


def test_the_list_has_to_agree_before_anything_is_sent_again(host: Host, ssm: FakeSsm) -> None:
    """However long the readings are behind, where the list of executions shows the truth."""
    identity = host.start(gate("one"), gate("two"))
    host.follow()
    old = ssm.told(host.state(identity).aws_id)
    host.answer(identity)
    ssm.late["SendAutomationSignal"] = [LOST]
    host.follow()
    ssm.stale = [old] * 50
    host.follow(20, looks=6)

    assert ssm.times("SendAutomationSignal") == 1


def test_not_known_once_after_an_outage_is_not_forgotten(host: Host, ssm: FakeSsm) -> None:
    """The time of silence does not count: AWS has to say for minutes that it knows nothing."""
    identity = host.start(gate("ask"))
    host.follow(1, looks=2)
    unknown = AwsRefused("AutomationExecutionNotFoundException", "Unknown", status=400)
    ssm.early["GetAutomationExecution"] = [*[LOST] * 8, unknown]
    host.follow(61, looks=10)

    assert host.state(identity).status is Status.WAITING


def test_that_an_answer_did_not_arrive_outlives_an_outage(host: Host, ssm: FakeSsm) -> None:
    """The card says both while AWS is silent, and the one that is still true afterwards."""
    identity = host.start(gate("ask"))
    host.follow()
    ssm.early["SendAutomationSignal"] = [AwsRefused("InvalidAutomationSignalException", "No.", status=400)]
    host.answer(identity)
    host.follow(1)
    refused = "The answer did not reach the step: No.."
    assert host.state(identity).notice == refused
    ssm.early["GetAutomationExecution"] = [LOST] * 3
    host.follow(30, looks=3)
    assert host.state(identity).notice.startswith(f"{refused}\nAWS has not answered since")

    host.follow(61, looks=3)
    assert host.state(identity).notice == refused
    host.answer(identity)
    host.follow(1, looks=2)
    assert host.state(identity).status is Status.SUCCESS


def test_a_gate_beyond_the_first_page_of_steps_is_seen_and_answered(host: Host, ssm: FakeSsm) -> None:
    """Where AWS cuts the list of steps, the rest of it is read, page by page."""
    ssm.first_steps = 1
    identity = host.start({**NAP, "inputs": {"Duration": "PT0S"}}, {**NAP, "name": "two"}, gate("ask"))
    host.follow(6, looks=3)
    assert [step.name for step in host.state(identity).steps] == ["nap", "two", "ask"]

    host.answer(identity)
    host.follow(1, looks=2)
    assert host.state(identity).status is Status.SUCCESS


def test_every_call_keeps_the_rate(host: Host, ssm: FakeSsm) -> None:
    """Starts, signals and what is read before them, too; and adoption."""
    host.adopt(AdoptionRule("*", "eu-west-1", {"playbook": "", "title": "", "channel": "C1", "alarm_key": ""}))
    waits: list[float] = []
    host.telling.pause = waits.append
    identities = [host.start(gate("ask")) for _ in range(5)]
    host.follow(1, looks=2)
    for identity in identities:
        host.answer(identity)
    host.follow(31, looks=2)

    assert len(waits) == len(ssm.asked)


def test_one_document_that_may_not_be_read_hides_no_other_execution(
    database: Database, clock: ManualClock, ssm: FakeSsm, elsewhere: str
) -> None:
    """Its executions are left alone, those after it are adopted."""
    console = ssm.session("arn:aws:iam::123456789012:user/ann")
    text = json.dumps({"schemaVersion": "0.3", "mainSteps": [gate("ask")]})
    console.call("ssm", "CreateDocument", {"Name": "Team-Other", "Content": text, "DocumentType": "Automation"})
    console.call("ssm", "StartAutomationExecution", {"DocumentName": "Team-Other"})
    host = adopting(database, clock, ssm, "Team-*")
    ssm.early["GetDocument"] = [DENIED]
    host.follow(1)

    assert len(host.all()) == 1
    host.follow(31)
    assert len(host.all()) == 2


def test_news_of_an_unknown_execution_reaches_whoever_follows(
    database: Database, clock: ManualClock, ssm: FakeSsm, request: pytest.FixtureRequest
) -> None:
    """The process that reads the queue wakes the row, and the leader, whichever it is, adopts at once."""
    host = adopting(database, clock, ssm, "Team-*")
    host.follow(1)
    request.getfixturevalue("elsewhere")
    host.follow(1)
    assert host.all() == []

    with host.db.transaction() as tx:
        SsmStore().wake_watch(tx, clock())
    host.follow()
    assert len(host.all()) == 1


@pytest.mark.parametrize(
    ("reference", "members"),
    [
        ("Team-Fix", {"DocumentName": "Team-Fix"}),
        ("Team-Fix:2", {"DocumentName": "Team-Fix", "DocumentVersion": "2"}),
        ("Team-Fix:$LATEST", {"DocumentName": "Team-Fix", "DocumentVersion": "$LATEST"}),
        (
            "arn:aws:ssm:eu-west-1:123456789012:document/Team-Fix",
            {"DocumentName": "arn:aws:ssm:eu-west-1:123456789012:document/Team-Fix"},
        ),
        (
            "arn:aws:ssm:eu-west-1:123456789012:document/Team-Fix:2",
            {"DocumentName": "arn:aws:ssm:eu-west-1:123456789012:document/Team-Fix", "DocumentVersion": "2"},
        ),
    ],
)
def test_a_document_that_aws_has_is_named_and_not_pushed(
    host: Host, ssm: FakeSsm, reference: str, members: dict[str, str]
) -> None:
    """By name, version or ARN; only what was given, the mode and the tags go with it."""
    document = parse(json.dumps({"schemaVersion": "0.3", "parameters": DECLARED, "mainSteps": [NAP]}), name="Here")
    order = StartOrder(
        document, {"P": "x"}, LEE, "eu-west-1", "123456789012", aws_document=reference, mode="Interactive",
        tags={"team": "ops"},
    )  # fmt: skip
    ssm.early["StartAutomationExecution"] = [THROTTLED]
    with host.db.transaction() as tx:
        identity = host.engine.start(tx, order)
    host.follow()

    ((operation, asked, _), *_) = ssm.asked
    assert operation == "StartAutomationExecution"
    assert asked.pop("ClientToken") == client_token(identity)
    assert asked == {
        **members, "Mode": "Interactive", "Parameters": {"P": ["x"]}, "Tags": [{"Key": "team", "Value": "ops"}],
    }  # fmt: skip


DECLARED = {"P": {"type": "String"}, "Q": {"type": "String", "default": "theirs"}}


def test_a_step_can_be_stopped(host: Host, ssm: FakeSsm) -> None:
    """StopStep names the step execution, and is not repeated when its answer gets lost."""
    long = {**NAP, "inputs": {"Duration": "PT1H"}}
    identity = host.start(long, {**long, "name": "next"})
    host.follow(1, looks=2)
    step = host.state(identity).step
    assert step is not None
    ssm.late["SendAutomationSignal"] = [LOST]
    with host.db.transaction() as tx:
        signal = Signal(SignalType.STOP_STEP, KIM, step.id, {"StepExecutionId": step.id})
        host.engine.signal(tx, identity, signal)
    host.follow(30, looks=4)

    assert ssm.times("SendAutomationSignal") == 1
    assert host.state(identity).steps[0].status is Status.CANCELLED


def test_what_is_not_gone_through_step_by_step_cannot_be_called_done(host: Host) -> None:
    """AWS refuses that, and the card says so; it goes on, and can be cancelled."""
    identity = host.start(gate("ask"))
    host.follow()
    with host.db.transaction() as tx:
        host.engine.stop(tx, identity, KIM, "Complete")
    host.follow(1)
    assert host.state(identity).status is Status.WAITING
    assert host.state(identity).notice.startswith("AWS does not call it done: ")

    with host.db.transaction() as tx:
        host.engine.stop(tx, identity, KIM)
    host.follow(1, looks=2)
    assert host.state(identity).status is Status.CANCELLED
