"""People who are away: not asked, not counted, and who answers in their place where the playbook allows it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from approvals.request import ApproverGroup
from infra.db import Database
from playbooks.absences import LONGEST, Absences, settled
from playbooks.answering import Answering
from playbooks.approval_policy import ApprovalPolicy, StepPolicies
from playbooks.oncall import OnCall, TurnRota
from playbooks.operations import NotAllowed, Refused
from playbooks.people import Identity
from tests.fakes.clock import ManualClock
from tests.playbooks.test_deciding import ruled
from tests.playbooks.waist import DIRECTORY, KIM, LEE, SAM, STRANGER, Waist, gate

SRE = (ApproverGroup(("sam",), 1, "SRE"),)
WEEK = timedelta(days=7)


def leaving(waist: Waist) -> Absences:
    """Who is away, as this waist knows it."""
    made = Absences(waist.db, waist.audit, DIRECTORY, waist.clock)
    deciding = waist.operations._deciding
    deciding.answering = Answering(DIRECTORY, leave=made)
    deciding.refresh = lambda _names: made.refresh()
    waist.queries._from.answering = deciding.answering
    return made


def asking(database: Database, clock: ManualClock, **policy: Any) -> tuple[Waist, Absences]:
    """A question to sam."""
    waist = Waist(database, clock, ruled(**{"groups": SRE, **policy}))
    absences = leaving(waist)
    waist.run(by=LEE)
    return waist, absences


def test_nobody_is_asked_who_is_away(database: Database, clock: ManualClock) -> None:
    """The card says so at once, and until when; back again they are asked like before."""
    waist, absences = asking(database, clock)
    absences.leave(SAM, clock() + WEEK, by=SAM)

    request = waist.question()
    assert request.approvers == ()
    assert request.problem == (
        f"Nobody is in SRE, so nobody can answer this. (Sam is away until {clock() + WEEK:%F %H:%M} UTC)"
    )
    with pytest.raises(NotAllowed, match=r"You are away until .* Say first that you are back"):
        waist.operations.decide(request.id, SAM, "Approve")

    absences.come_back(SAM, by=SAM)
    assert (waist.question().approvers, waist.question().problem) == (("<@U02SAM>",), "")
    waist.operations.decide(request.id, SAM, "Approve")
    assert [each.event.name for each in waist.trail("person.away", "person.back")] == ["person.away", "person.back"]


def test_who_stands_in_answers_once_and_instead(database: Database, clock: ManualClock) -> None:
    """Where the playbook lets them hand over to that person; the trail says for whom, and the seat is filled once."""
    waist, absences = asking(database, clock, delegates=("kim",))
    absences.leave(SAM, clock() + WEEK, by=SAM, instead="kim")
    assert (waist.question().approvers, waist.question().problem) == (("<@U03KIM>",), "")

    request_id = waist.question().id
    waist.operations.decide(request_id, KIM, "Approve")
    absences.come_back(SAM, by=SAM)
    waist.settle()
    waist.later(seconds=1)

    (delegated,) = waist.trail("approval.delegated")
    assert (delegated.event.actor.id, delegated.event.data["to"]) == ("person:sam", "person:kim")
    (top,) = waist.queries.executions()
    assert top.status == "Success"


def test_who_came_back_does_not_answer_what_was_answered_for_them(database: Database, clock: ManualClock) -> None:
    """Two people have one voice together, also in a question that needs several."""
    both = (ApproverGroup(("sam", "max"), 2, "SRE"),)
    waist, absences = asking(database, clock, groups=both, delegates=("kim",))
    absences.leave(SAM, clock() + WEEK, by=SAM, instead="kim")
    request_id = waist.question().id
    waist.operations.decide(request_id, KIM, "Approve")
    absences.come_back(SAM, by=SAM)

    with pytest.raises(NotAllowed):
        waist.operations.decide(request_id, SAM, "Approve")
    assert waist.question().status == "Waiting"


def test_whom_the_table_does_not_name_is_one_voice_too(database: Database, clock: ManualClock) -> None:
    """Somebody known by a Slack id alone, who comes back after another has answered for them."""
    both = (ApproverGroup(("U99WHO", "max"), 2, "SRE"),)
    policy = StepPolicies(ApprovalPolicy(groups=both, delegates=("kim",)))
    waist = Waist(database, clock, gate(approvers=("U99WHO", "max", "kim"), approval=policy))
    absences = leaving(waist)
    waist.run(by=LEE)
    absences.leave(STRANGER, clock() + WEEK, by=STRANGER, instead="kim")
    request_id = waist.question().id
    waist.operations.decide(request_id, KIM, "Approve")
    absences.come_back(STRANGER, by=STRANGER)

    with pytest.raises(NotAllowed):
        waist.operations.decide(request_id, STRANGER, "Approve")
    assert [(by.id, to.id) for by, to in waist.question().delegations] == [("slack:T01/U99WHO", "person:kim")]


@pytest.mark.parametrize(
    ("policy", "instead"),
    [
        ({}, "kim"),
        ({"delegates": ("lee",)}, "kim"),
        ({"delegates": ("kim",)}, ""),
        ({"delegates": ("kim",), "never": ("kim",)}, "kim"),
        ({"delegates": ("kim",), "never": ("sam",)}, "kim"),
    ],
)
def test_nobody_stands_in_whom_the_playbook_does_not_let(
    database: Database, clock: ManualClock, policy: dict[str, Any], instead: str
) -> None:
    """Not a name of one's own choice, nobody who never may, and nobody for somebody who never may."""
    waist, absences = asking(database, clock, **policy)
    absences.leave(SAM, clock() + WEEK, by=SAM, instead=instead)

    assert waist.question().problem
    with pytest.raises(NotAllowed):
        waist.operations.decide(waist.question().id, KIM, "Approve")


def test_one_cannot_approve_ones_own_by_standing_in(database: Database, clock: ManualClock) -> None:
    """Whoever started it, and whoever else: an absence opens no way past a bar."""
    waist, absences = asking(database, clock, delegates=("lee", "kim"))
    absences.leave(SAM, clock() + WEEK, by=SAM, instead="lee")

    with pytest.raises(NotAllowed, match="You started this"):
        waist.operations.decide(waist.question().id, LEE, "Approve")
    absences.leave(SAM, clock() + WEEK, by=SAM, instead="kim")
    absences.leave(KIM, clock() + WEEK, by=KIM, instead="lee")
    assert waist.question().problem, "there are no chains"


def test_an_absence_begins_and_ends_by_itself_and_survives_a_restart(database: Database, clock: ManualClock) -> None:
    """From its first moment up to its last, in every process; a newer one replaces it."""
    waist, absences = asking(database, clock)
    absences.leave(SAM, clock() + WEEK, by=SAM, since=clock() + timedelta(days=1))
    reborn = Waist(database, clock, ruled(groups=SRE))
    other = leaving(reborn)
    other.refresh()
    assert other.away("sam") is None

    clock.advance(timedelta(days=1))
    found = other.away("slack:T01/U02SAM")
    assert found is not None
    assert other.away("U02SAM") == other.away("person:sam") == found
    clock.advance(timedelta(days=6))
    assert other.away("sam") is None
    assert other.known() == ()

    absences.leave(STRANGER, clock() + WEEK, by=STRANGER)
    other.refresh()
    assert other.away("U99WHO") is not None
    assert waist.question().approvers == ("<@U02SAM>",)


def test_the_settings_may_say_it_and_then_they_alone(database: Database, clock: ManualClock) -> None:
    """What stands in a file is not ended by a word."""
    waist, _ = asking(database, clock, delegates=("kim",))
    vacation = settled("sam", clock(), clock() + WEEK, "kim", DIRECTORY)
    absences = Absences(waist.db, waist.audit, DIRECTORY, clock, (vacation,))
    waist.operations._deciding.answering.leave = absences

    assert waist.question().approvers == ("<@U03KIM>",)
    with pytest.raises(Refused, match="The settings say away until"):
        absences.come_back(SAM, by=SAM)
    clock.advance(WEEK)
    assert waist.question().approvers == ("<@U02SAM>",)


@pytest.mark.parametrize(
    ("days", "instead", "why"),
    [
        (-1, "", "say when you are back"),
        (0, "", "say when you are back"),
        (LONGEST.days + 1, "", "ends within a year"),
        (1, "sam", "Nobody stands in for themselves"),
        (1, "U02SAM", "Nobody stands in for themselves"),
    ],
)
def test_what_makes_no_sense_is_refused(
    sqlite_database: Database, clock: ManualClock, days: int, instead: str, why: str
) -> None:
    """In a sentence; nothing is written."""
    waist, absences = asking(sqlite_database, clock)

    with pytest.raises(Refused, match=why):
        absences.leave(SAM, clock() + timedelta(days=days), by=SAM, instead=instead)
    with pytest.raises(Refused, match="Nobody has said that you are away"):
        absences.come_back(SAM, by=SAM)
    assert waist.trail("person.away") == []


def test_nobody_is_handed_something_while_away(database: Database, clock: ManualClock) -> None:
    """Who hands over is told that, and until when."""
    waist, absences = asking(database, clock, delegates=("kim",))
    absences.leave(KIM, clock() + WEEK, by=KIM)

    with pytest.raises(NotAllowed, match="Kim is away until"):
        waist.operations.delegate(waist.question().id, SAM, KIM)


@pytest.mark.parametrize(("gone", "turn"), [((), "lee"), (("lee",), "sam"), (("lee", "sam"), "kim")])
def test_a_rota_goes_on_to_the_next_one(
    sqlite_database: Database, clock: ManualClock, gone: tuple[str, ...], turn: str
) -> None:
    """Whoever has their turn and is away is not on call."""
    waist, absences = asking(sqlite_database, clock)
    rota = TurnRota(("lee", "sam", "kim"), datetime(2020, 1, 6, tzinfo=UTC), timedelta(days=36500))
    on_call = OnCall({"first": rota}, clock, lambda who: absences.away(who) is not None)
    people: dict[str, Identity] = {"lee": LEE, "sam": SAM, "kim": KIM}
    for name in gone:
        absences.leave(people[name], waist.clock() + WEEK, by=people[name])

    assert on_call.opened(["oncall:first"]) == (turn,)
