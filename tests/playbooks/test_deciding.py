"""Questions through the waist: bound to what was shown, one gate each, taken back, handed over, broken open."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from approvals.request import ApprovalRequest, ApproverGroup, RequestStatus
from approvals.store import approval_table
from engine.store import execution_table
from infra.db import Database
from playbooks.approval_policy import ApprovalPolicy, Handover, StepPolicies
from playbooks.deciding import names_of
from playbooks.expiry import Expiry
from playbooks.operations import NoLongerOpen, NotAllowed, Refused
from playbooks.people import Identity, Person, Unidentified
from playbooks.refusals import Mistyped
from playbooks.story import sentence
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import DIRECTORY, KIM, LEE, SAM, STRANGER, Waist, gate
from tests.playbooks.worlds import alarm

EVERYBODY = ("lee", "sam", "kim")


def ruled(**fields: Any) -> Any:
    """The gate under a policy in full."""
    playbook_fields = {name: fields.pop(name) for name in ("runbook", "edited_by", "start") if name in fields}
    policy = ApprovalPolicy(**{"groups": (ApproverGroup(EVERYBODY),), **fields})
    return gate(approvers=EVERYBODY, approval=StepPolicies(policy), break_glass=policy.breakers, **playbook_fields)


def tended(waist: Waist) -> None:
    """Everything that is due about questions is done."""
    Expiry(waist.db, waist.approvals, waist.operations.expire, waist.clock).pump()
    waist.settle()


# -- bound to what was shown


def tampered(waist: Waist, execution_id: str, old: str, new: str) -> None:
    """Somebody with a hand in the database changes what would run."""
    with waist.db.transaction() as tx:
        query = execution_table.select().where(execution_table.c.id == execution_id)
        state = tx.execute(query).mappings().one()["state"]
        assert old in state
        change = update(execution_table).where(execution_table.c.id == execution_id)
        tx.execute(change.values(state=state.replace(old, new)))


def test_a_changed_plan_is_not_approved_but_asked_anew(database: Database, clock: ManualClock) -> None:
    """Other parameters than shown: nothing is decided, the person is told, and a new question shows the new plan."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()
    first = waist.question()
    tampered(waist, execution_id, "i-0b7d1c44e9f2a6d35", "i-0b7d1c44e9f2a6dff")

    with pytest.raises(NoLongerOpen, match="The plan changed since you were asked"):
        waist.operations.decide(first.id, SAM, "Approve")
    waist.settle()

    second = waist.question()
    assert second.id != first.id
    assert (second.revision, second.decisions) == (2, ())
    assert waist.state(execution_id).status == "Waiting"
    with pytest.raises(NoLongerOpen):
        waist.operations.decide(first.id, KIM, "Approve")
    waist.operations.decide(second.id, KIM, "Approve")
    waist.settle()
    assert waist.facts(execution_id).steps[0].status == "Success"


def test_a_plan_that_changes_between_the_answer_and_the_step_is_not_run(database: Database, clock: ManualClock) -> None:
    """The digest is worked out once more before the step hears: the answer is void, and people are asked anew."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()
    waist.operations.decide(waist.question().id, SAM, "Approve")
    tampered(waist, execution_id, "i-0b7d1c44e9f2a6d35", "i-0b7d1c44e9f2a6dff")

    waist.settle()

    assert waist.trail("signal.received") == []
    assert waist.question().revision == 2
    assert waist.facts(execution_id).steps[0].status == "Waiting"


def test_a_stricter_policy_asks_anew(database: Database, clock: ManualClock) -> None:
    """The bot comes back with a playbook that wants two: one old answer is not enough, nor is it counted."""
    waist = Waist(database, clock, gate(minimum_approvals=2))
    waist.run()
    waist.operations.decide(waist.question().id, SAM, "Approve")

    reborn = Waist(database, clock, gate(minimum_approvals=3))
    reborn.reactions.asking.__dict__["new_id"] = lambda: "again"
    with pytest.raises(NoLongerOpen, match="who must agree"):
        reborn.operations.decide(reborn.question().id, KIM, "Approve")
    reborn.settle()

    assert (reborn.question().minimum, reborn.question().decisions) == (3, ())


def test_a_question_reworded_in_the_database_decides_nothing(database: Database, clock: ManualClock) -> None:
    """The seal covers the words and the lists: a forged row is asked anew as it should be."""
    waist = Waist(database, clock, gate(approvers=("sam",)))
    waist.run()
    request = waist.question()
    with database.transaction() as tx:
        state = tx.execute(approval_table.select()).mappings().one()["state"]
        tx.execute(update(approval_table).values(state=state.replace('"sam"', '"kim"')))

    with pytest.raises(NoLongerOpen, match="not worded as it was shown"):
        waist.operations.decide(request.id, KIM, "Approve")
    waist.settle()

    assert waist.question().approvers == ("<@U02SAM>",)


@pytest.mark.parametrize(("old", "new"), [('"kim"', '"max"'), ('"sam"', '"max"')])
def test_a_forged_question_is_asked_anew_when_the_next_people_are_due(
    database: Database, clock: ManualClock, old: str, new: str
) -> None:
    """Who is asked later is part of the seal, and an escalation does not seal what somebody has forged."""
    rule = {"groups": (ApproverGroup(("sam",)),), "handovers": (Handover(timedelta(minutes=15), ("kim",)),)}
    waist = Waist(database, clock, ruled(**rule))
    waist.run()
    with database.transaction() as tx:
        state = tx.execute(approval_table.select()).mappings().one()["state"]
        assert old in state
        tx.execute(update(approval_table).values(state=state.replace(old, new)))
    clock.advance(timedelta(minutes=15))
    tended(waist)

    assert waist.trail("approval.escalated") == []
    assert len(waist.trail("approval.voided")) == 1
    assert (waist.question().revision, waist.question().approvers) == (2, ("<@U02SAM>",))


# -- one gate, one attempt


def test_an_answer_belongs_to_one_attempt(database: Database, clock: ManualClock) -> None:
    """The step is at its second attempt: the first one's button decides nothing, and people are asked anew."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()
    first = waist.question()
    state = waist.state(execution_id)
    step = replace(state.steps[0], attempt=2)
    assert waist.reactions.asking.change_since(waist_request(waist, first.id), state) == ""

    changed = waist.reactions.asking.change_since(waist_request(waist, first.id), replace(state, steps=(step,)))

    assert changed


def waist_request(waist: Waist, request_id: str) -> ApprovalRequest:
    """The question as it is kept."""
    with waist.db.reading() as connection:
        found = waist.approvals.get(connection, request_id)
    assert found is not None
    return found


def test_parallel_gates_never_answer_each_other(database: Database, clock: ManualClock) -> None:
    """Two runs of one playbook wait at the same step: the answer goes to the run it was given for."""
    waist = Waist(database, clock, gate())
    runs = [waist.run(InstanceId="i-0b7d1c44e9f2a6d35"), waist.run(InstanceId="i-0b7d1c44e9f2a6d36")]
    of_run = {each.execution_id: each.id for each in waist.queries.open_approvals()}
    waist.operations.decide(of_run[runs[1]], SAM, "Approve")
    waist.settle()

    assert [waist.facts(each).steps[0].status for each in runs] == ["Waiting", "Success"]
    assert waist.question().execution_id == runs[0]


# -- who may


def test_one_of_each_group(database: Database, clock: ManualClock) -> None:
    """The step goes on when each group has agreed, not before; the facts say which one is missing."""
    groups = (ApproverGroup(("sam", "kim"), 1, "SRE"), ApproverGroup(("kim",), 1, "Security"))
    waist = Waist(database, clock, ruled(groups=groups))
    execution_id = waist.run()
    request = waist.question()
    waist.operations.decide(request.id, SAM, "Approve")
    waist.settle()

    assert [(each.title, each.missing) for each in waist.question().groups] == [("SRE", 0), ("Security", 1)]
    waist.operations.decide(request.id, KIM, "Approve")
    waist.settle()
    assert waist.facts(execution_id).steps[0].status == "Success"


def test_a_group_of_nobody_is_said_at_once(database: Database, clock: ManualClock) -> None:
    """A named group without members can never agree: the question says which one."""
    waist = Waist(database, clock, ruled(groups=(ApproverGroup(("group:void",), 1, "Owners"),)))
    waist.run()

    assert waist.question().problem == "Nobody is in Owners, so nobody can answer this."


@pytest.mark.parametrize(
    ("never", "edited_by", "why"),
    [
        (("runbook_editor",), ("sam@example.org",), "You edited this runbook"),
        (("runbook_editor",), ("U02SAM",), "You edited this runbook"),
        (("alarm_owner",), (), "You own the alarm"),
        (("sam",), (), "you may not approve this"),
        (("U02SAM",), (), "you may not approve this"),
    ],
)
def test_who_never_may(
    database: Database, clock: ManualClock, never: tuple[str, ...], edited_by: tuple[str, ...], why: str
) -> None:
    """Editors, the alarm's owner and whoever is named are barred as people; others may approve."""
    people = tuple(replace(each, email=f"{each.id}@example.org") for each in DIRECTORY.people)
    directory = replace(DIRECTORY, people=people)
    waist = Waist(database, clock, ruled(never=never, edited_by=edited_by, start="auto"), directory=directory)
    waist.operations.receive(alarm(tags={"Owner": "sam"}))
    waist.settle()

    with pytest.raises(NotAllowed, match=why):
        waist.operations.decide(waist.question().id, directory.slack("T01", "U02SAM"), "Approve")
    waist.operations.decide(waist.question().id, directory.slack("T01", "U03KIM"), "Approve")
    assert waist.queries.open_approvals() == []


def test_self_approval_by_an_account_that_was_joined_later(database: Database, clock: ManualClock) -> None:
    """Started by a login nobody knew; the table is corrected meanwhile: still their own."""
    waist = Waist(database, clock, gate(approvers=("*", *EVERYBODY), may_run=("*",)))
    waist.run(by=Identity("terminal:lpark", "lpark", frozenset(), is_full_member=True, account="terminal:lpark"))
    people = tuple(replace(each, terminal="lpark") if each.id == "lee" else each for each in DIRECTORY.people)
    corrected = Waist(
        database, clock, gate(approvers=("*", *EVERYBODY), may_run=("*",)), directory=replace(DIRECTORY, people=people)
    )

    with pytest.raises(NotAllowed, match="somebody else has to approve"):
        corrected.operations.decide(corrected.question().id, LEE, "Approve")


# -- by itself


def test_further_people_are_asked_and_everybody_is_reminded(database: Database, clock: ManualClock) -> None:
    """Nobody answers: a reminder, then the next people may answer, too; all of it by the rows."""
    rule = {
        "groups": (ApproverGroup(("sam",)),),
        "remind_every": timedelta(minutes=10),
        "handovers": (Handover(timedelta(minutes=15), ("kim",)),),
        "expires_in": timedelta(minutes=40),
    }
    waist = Waist(database, clock, ruled(**rule))
    execution_id = waist.run()
    request = waist.question()
    with pytest.raises(NotAllowed):
        waist.operations.decide(request.id, KIM, "Approve")

    clock.advance(timedelta(minutes=10))
    tended(waist)
    assert len(waist.trail("approval.reminded")) == 1
    clock.advance(timedelta(minutes=5))
    tended(Waist(database, clock, ruled(**rule)))
    assert len(waist.trail("approval.escalated")) == 1

    waist.operations.decide(request.id, KIM, "Approve")
    waist.settle()
    assert waist.facts(execution_id).steps[0].status == "Success"


@pytest.mark.parametrize(("outcome", "status"), [("reject", "Failed"), ("approve", "InProgress")])
def test_the_chosen_outcome_at_the_expiry(database: Database, clock: ManualClock, outcome: Any, status: str) -> None:
    """Silence is no, unless the policy says in words that it is yes."""
    waist = Waist(database, clock, ruled(at_expiry=outcome, expires_in=timedelta(minutes=5)))
    execution_id = waist.run()
    clock.advance(timedelta(minutes=5))

    tended(waist)

    assert waist.facts(execution_id).status == status


# -- taking back, handing over


def test_an_answer_is_taken_back_until_the_step_goes_on(database: Database, clock: ManualClock) -> None:
    """Counted or even concluded, it can be taken back; once the engine has heard, it is too late."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()
    request = waist.question()
    waist.operations.decide(request.id, SAM, "Approve")
    waist.operations.revoke(request.id, SAM)
    waist.settle()
    assert waist.facts(execution_id).steps[0].status == "Waiting"
    assert waist.question().decisions == ()

    waist.operations.decide(request.id, SAM, "Approve")
    waist.settle()
    with pytest.raises(NoLongerOpen, match="too late"):
        waist.operations.revoke(request.id, SAM)
    assert len(waist.trail("approval.revoked")) == 1


def test_only_ones_own_answer_can_be_taken_back(database: Database, clock: ManualClock) -> None:
    """Whoever gave none is refused, and it is noted."""
    waist = Waist(database, clock, gate(minimum_approvals=2))
    waist.run()
    waist.operations.decide(waist.question().id, SAM, "Approve")

    for other in (KIM, STRANGER):
        with pytest.raises(NotAllowed, match="no answer here"):
            waist.operations.revoke(waist.question().id, other)
    assert len(waist.trail("approval.refused")) == 2


def test_an_answer_is_handed_over(database: Database, clock: ManualClock) -> None:
    """Kim answers in Sam's place; Sam may not any more: one seat stays one."""
    waist = Waist(database, clock, ruled(groups=(ApproverGroup(("sam",)),), delegates=("kim",)))
    execution_id = waist.run()
    request = waist.question()
    waist.operations.delegate(request.id, SAM, KIM)

    assert waist.question().delegations[0][1].id == KIM.id
    with pytest.raises(NotAllowed):
        waist.operations.decide(request.id, SAM, "Approve")
    waist.operations.decide(request.id, KIM, "Approve")
    waist.settle()
    assert waist.facts(execution_id).steps[0].status == "Success"


@pytest.mark.parametrize(
    ("by", "to", "says"),
    [
        (SAM, STRANGER, "hand this over to kim, lee only"),
        (SAM, LEE, "may not approve this either"),
        (STRANGER, KIM, "not among the people"),
        (KIM, SAM, "not among the people"),
        (SAM, SAM, "only"),
    ],
)
def test_who_hands_over_to_whom_is_the_policys(
    database: Database, clock: ManualClock, by: Identity, to: Identity, says: str
) -> None:
    """Only an approver, only to those whom the policy names, never to who started it."""
    waist = Waist(database, clock, ruled(groups=(ApproverGroup(("sam",)),), delegates=("kim", "lee")))
    waist.run(by=LEE)

    with pytest.raises(NotAllowed, match=says):
        waist.operations.delegate(waist.question().id, by, to)
    assert waist.question().delegations == ()


# -- break-glass

REASON = "the shop is down and nobody else is awake"


@pytest.mark.parametrize("chain", [("sam", "kim"), ("sam", "max", "kim")])
def test_nobody_hands_over_what_they_no_longer_have(
    database: Database, clock: ManualClock, chain: tuple[str, ...]
) -> None:
    """Sam leaves the list after handing over, by himself or through another: the heir may not answer any more."""
    people = (*DIRECTORY.people, Person("max", slack="U05MAX"))
    directory = replace(DIRECTORY, people=people, groups={"responders": ("lee", "sam")})
    rule = {"groups": (ApproverGroup(("group:responders",)),), "delegates": ("kim", "max")}
    waist = Waist(database, clock, ruled(**rule), directory=directory)
    execution_id = waist.run()
    request_id = waist.question().id
    of_person = {each.id: directory.slack("T01", each.slack) for each in people}
    for by, to in itertools.pairwise(chain):
        waist.operations.delegate(request_id, of_person[by], of_person[to])

    waist.operations._deciding.answering.directory = replace(directory, groups={"responders": ("lee",)})
    with pytest.raises(NotAllowed, match="not among the people"):
        waist.operations.decide(request_id, of_person["kim"], "Approve")
    waist.operations._deciding.answering.directory = directory
    waist.operations.decide(request_id, of_person["kim"], "Approve")
    waist.settle()
    assert waist.facts(execution_id).steps[0].status == "Success"


def test_an_heir_is_looked_at_once_more_with_who_handed_over(database: Database, clock: ManualClock) -> None:
    """Sam leaves Slack between Kim's answer in his place and the step: the answer no longer counts."""
    waist = Waist(database, clock, ruled(groups=(ApproverGroup(("sam",)),), delegates=("kim",)))
    gone: list[str] = []

    def attest(account: str) -> Identity | None:
        if account in gone:
            raise Unidentified("This account is deactivated.")
        return DIRECTORY.slack("T01", account.rpartition("/")[2])

    waist.reactions._is_attested = lambda: True
    waist.operations._deciding.attest, waist.operations._deciding.tell = attest, waist.reactions.tell
    waist.run()
    request_id = waist.question().id
    waist.operations.delegate(request_id, SAM, KIM)
    waist.operations.decide(request_id, KIM, "Approve")
    gone.append(SAM.account)
    waist.settle()
    tended(waist)

    assert waist.trail("signal.received") == []
    assert waist.question().decisions == ()
    assert len(waist.trail("approval.invalidated")) == 1


def test_breaking_the_glass_decides_alone_and_loudly(database: Database, clock: ManualClock) -> None:
    """Even one's own request, with an event of its own class that says who, why and on what."""
    waist = Waist(database, clock, ruled(breakers=("lee",)))
    execution_id = waist.run(by=LEE)
    waist.operations.break_glass(waist.question().id, LEE, REASON, "gate")
    waist.settle()

    (broken,) = waist.trail("breakglass.used")
    assert (broken.event.actor.id, broken.event.data["reason"]) == (LEE.id, REASON)
    assert waist.facts(execution_id).steps[0].status == "Success"
    assert waist.facts(execution_id).approvals[0].is_broken


@pytest.mark.parametrize(
    ("by", "reason", "target", "error"),
    [
        (SAM, REASON, "gate", NotAllowed),
        (LEE, "soon", "gate", Mistyped),
        (LEE, REASON, "gates", Mistyped),
        (LEE, REASON, "", Mistyped),
    ],
)
def test_the_glass_stays_whole(
    database: Database, clock: ManualClock, by: Identity, reason: str, target: str, error: type[Exception]
) -> None:
    """Not for others, not without a reason, not for a name that was mistyped."""
    waist = Waist(database, clock, ruled(breakers=("lee",)))
    waist.run(by=LEE)

    with pytest.raises(error):
        waist.operations.break_glass(waist.question().id, by, reason, target)
    assert waist.question().status == str(RequestStatus.WAITING)


@pytest.mark.parametrize(
    ("reason", "target", "says"),
    [
        ("because it burns here", "nonsense", "exactly as the card shows it"),
        ("hurry", "i-0b7d1c44e9f2a6d35", "at least 10 characters"),
        ("hurry", "nonsense", "at least 10 characters.*exactly as the card shows it"),
    ],
)
def test_a_blow_at_the_glass_that_fails_is_noted(
    database: Database, clock: ManualClock, reason: str, target: str, says: str
) -> None:
    """A mistyped target and a reason that says nothing are attempts, too."""
    waist = Waist(database, clock, ruled(breakers=("lee",)))
    waist.operations._deciding.targets = lambda _tx, _state: ("i-0b7d1c44e9f2a6d35",)
    waist.run(by=SAM)

    with pytest.raises(Refused, match=says):
        waist.operations.break_glass(waist.question().id, LEE, reason, target)
    (noted,) = waist.trail("approval.refused")
    assert (noted.event.actor.id, noted.event.data["verdict"]) == (LEE.id, "BreakGlass")
    assert sentence(noted.event).startswith("tried to break the glass, not done: ")


def test_an_answer_to_nothing_is_noted(database: Database, clock: ManualClock) -> None:
    """An id that no question has: the person is told, and the trail has the attempt, by every verb."""
    waist = Waist(database, clock, gate())
    verbs: dict[str, Callable[[str], None]] = {
        "Approve": lambda name: waist.operations.decide(name, SAM, "Approve"),
        "Reject": lambda name: waist.operations.decide(name, SAM, "Reject"),
        "Revoke": lambda name: waist.operations.revoke(name, SAM),
        "Delegate": lambda name: waist.operations.delegate(name, SAM, KIM),
        "BreakGlass": lambda name: waist.operations.break_glass(name, SAM, "because it burns", "x"),
        "Review": lambda name: waist.operations.review(name, SAM, "fine"),
    }
    for verb in verbs.values():
        with pytest.raises(NoLongerOpen, match="not known here"):
            verb("nosuch" * 100)

    noted = [each.event for each in waist.trail("approval.refused")]
    assert [each.data["verdict"] for each in noted] == [*verbs]
    assert {each.actor.id for each in noted} == {SAM.id}
    assert all(len(str(each.data["request_id"])) <= 64 for each in noted)


def test_nobody_breaks_a_glass_that_is_not_there(database: Database, clock: ManualClock) -> None:
    """A playbook that lists nobody has no glass."""
    waist = Waist(database, clock, ruled())
    waist.run(by=LEE)

    with pytest.raises(NotAllowed):
        waist.operations.break_glass(waist.question().id, SAM, REASON, "gate")
    (noted,) = waist.trail("approval.refused")
    assert sentence(noted.event).startswith("may not break the glass: ")


def test_a_review_nags_until_another_approver_closes_it(database: Database, clock: ManualClock) -> None:
    """Every day, after a restart, too; who broke the glass cannot close it, and a note is needed."""
    waist = Waist(database, clock, ruled(breakers=("lee",)))
    waist.run(by=LEE)
    request_id = waist.question().id
    waist.operations.break_glass(request_id, LEE, REASON, "gate")
    waist.settle()
    for _ in range(2):
        clock.advance(timedelta(days=1))
        tended(Waist(database, clock, ruled(breakers=("lee",))))
    assert len(waist.trail("breakglass.reminded")) == 2

    for by, note in ((LEE, "all well"), (STRANGER, "all well"), (SAM, " ")):
        with pytest.raises(NotAllowed):
            waist.operations.review(request_id, by, note)
    waist.operations.review(request_id, SAM, "the shop was down, it was right")
    with pytest.raises(NoLongerOpen):
        waist.operations.review(request_id, KIM, "again")
    clock.advance(timedelta(days=2))
    tended(waist)

    assert len(waist.trail("breakglass.reminded")) == 2
    assert len(waist.trail("breakglass.reviewed")) == 1


def test_the_names_of_a_question_are_all_of_them(database: Database, clock: ManualClock) -> None:
    """Lists, groups, heirs and breakers: whoever is on call among them is asked for before a decision."""
    waist = Waist(database, clock, ruled(delegates=("oncall:second",), breakers=("oncall:boss",)))
    waist.run()
    with database.reading() as connection:
        request = waist.approvals.get(connection, waist.question().id)
    assert request is not None

    assert set(names_of(request)) == {*EVERYBODY, "oncall:second", "oncall:boss"}
