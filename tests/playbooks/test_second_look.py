"""What became of an answer between the click and the step: groups left, rights handed on, pauses, broken glass."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from approvals.request import ApproverGroup
from bot.slack.blocks import card
from infra.db import Database
from playbooks.expiry import Expiry
from playbooks.operations import NoLongerOpen, NotAllowed
from playbooks.people import Identity, Person
from playbooks.queries import NotFound
from tests.fakes.clock import ManualClock
from tests.playbooks.test_deciding import REASON, ruled, tended
from tests.playbooks.waist import DIRECTORY, GATE, KIM, LEE, SAM, STRANGER, Waist

LONG = timedelta(minutes=20)
SRE, SECURITY = "S0SRE", "S0SECURITY"
TWO_GROUPS = (ApproverGroup((SRE,), 1, "SRE"), ApproverGroup((SECURITY,), 1, "Security"))
HALF_EMPTY = (ApproverGroup(("sam",), 1, "SRE"), ApproverGroup(("group:void",), 1, "Security"))
MAX = Person("max", slack="U05MAX")

Who = Callable[[str], Identity]


def attested(waist: Waist, who: Who) -> None:
    """Whoever agreed is looked at once more, as Slack's door has it."""
    vars(waist.reactions)["_is_attested"] = lambda: True
    waist.operations._deciding.attest = lambda account: who(account.rpartition("/")[2])
    waist.operations._deciding.tell = waist.reactions.tell


def go_on(waist: Waist) -> None:
    """Let everything happen that is due."""
    waist.settle()
    tended(waist)


def status(waist: Waist, run: str) -> str:
    """How the asking step stands."""
    return waist.facts(run).steps[0].status


def buttons(waist: Waist, run: str) -> set[str]:
    """What the card offers."""
    blocks = card.card(waist.facts(run))
    return {each["action_id"] for block in blocks if block["type"] == "actions" for each in block["elements"]}


def in_slack(user: str) -> Identity:
    """Somebody of the table, as Slack shows them."""
    return DIRECTORY.slack("T01", user)


# -- groups


@pytest.fixture
def of_security(database: Database, clock: ManualClock) -> tuple[Waist, dict[str, list[str]], Who]:
    """One of SRE and one of Security; Kim is in both. The map is who is in which group."""
    member = {"U02SAM": [SRE], "U03KIM": [SRE, SECURITY], "U01LEE": [], "U05MAX": []}

    def who(user: str) -> Identity:
        return DIRECTORY.slack("T01", user, groups=member[user])

    book = replace(ruled(groups=TWO_GROUPS, delegates=("U05MAX",)), approvers=(SRE, SECURITY))
    waist = Waist(database, clock, book)
    attested(waist, who)
    return waist, member, who


def test_who_left_one_of_two_groups_fills_its_seat_no_more(
    of_security: tuple[Waist, dict[str, list[str]], Who],
) -> None:
    """Kim agreed for Security and has left it; that she is still in SRE makes nobody of Security agree."""
    waist, member, who = of_security
    run = waist.run(by=LEE)
    asked = waist.question().id
    waist.operations.decide(asked, who("U03KIM"), "Approve")
    member["U03KIM"] = [SRE]
    waist.operations.decide(asked, who("U02SAM"), "Approve")
    go_on(waist)

    (lost,) = waist.trail("approval.invalidated")
    assert status(waist, run) == "Waiting"
    assert lost.event.data["because"] == "they are not in Security any more"


def test_an_heir_has_no_seat_that_was_lost(of_security: tuple[Waist, dict[str, list[str]], Who]) -> None:
    """What was handed over lasts as long as the right of whoever handed it over, group by group."""
    waist, member, who = of_security
    waist.run(by=LEE)
    asked = waist.question().id
    waist.operations.delegate(asked, who("U03KIM"), who("U05MAX"))
    member["U03KIM"] = [SRE]

    with pytest.raises(NotAllowed):
        waist.operations.decide(asked, who("U05MAX"), "Approve")


def test_who_stays_in_the_groups_counts(of_security: tuple[Waist, dict[str, list[str]], Who]) -> None:
    """The second look finds them as they were."""
    waist, _, who = of_security
    run = waist.run(by=LEE)
    asked = waist.question().id
    for user in ("U03KIM", "U02SAM"):
        waist.operations.decide(asked, who(user), "Approve")
    go_on(waist)

    assert status(waist, run) == "Success"


# -- handed on


def test_who_hands_on_what_was_handed_to_them_has_it_no_more(database: Database, clock: ManualClock) -> None:
    """Sam to Kim to Max: one right stays one, and the card names who has it."""
    directory = replace(DIRECTORY, people=(*DIRECTORY.people, MAX))
    somebody = directory.slack("T01", "U05MAX")
    rule = ruled(groups=(ApproverGroup(("sam",)),), minimum=2, delegates=("kim", "max"))
    waist = Waist(database, clock, rule, directory=directory)
    waist.run(by=LEE)
    asked = waist.question().id
    waist.operations.delegate(asked, SAM, KIM)
    waist.operations.delegate(asked, KIM, somebody)

    assert waist.question().approvers == ("<@U05MAX>",)
    with pytest.raises(NotAllowed):
        waist.operations.decide(asked, KIM, "Approve")
    waist.operations.decide(asked, somebody, "Approve")
    assert waist.question().id == asked


def test_what_comes_back_is_ones_own_again(database: Database, clock: ManualClock) -> None:
    """Sam to Kim and back to Sam."""
    waist = Waist(database, clock, ruled(groups=(ApproverGroup(("sam",)),), delegates=("kim", "sam")))
    run = waist.run(by=LEE)
    asked = waist.question().id
    waist.operations.delegate(asked, SAM, KIM)
    waist.operations.delegate(asked, KIM, SAM)
    with pytest.raises(NotAllowed):
        waist.operations.decide(asked, KIM, "Approve")
    waist.operations.decide(asked, SAM, "Approve")
    waist.settle()

    assert status(waist, run) == "Success"


# -- while everything is paused


def paused(database: Database, clock: ManualClock, **rule: Any) -> tuple[Waist, str]:
    """A question for Sam and Kim that expires in twenty minutes, and its execution."""
    waist = Waist(database, clock, ruled(expires_in=LONG, **rule), admins=("lee",))
    waist.operations._deciding.tell = waist.reactions.tell
    return waist, waist.run(by=LEE)


def test_an_objection_in_a_pause_counts_before_silence_does(database: Database, clock: ManualClock) -> None:
    """A pause keeps silence from approving; it keeps nobody from objecting, however long it lasts."""
    waist, run = paused(database, clock, at_expiry="approve")
    asked = waist.question().id
    waist.operations.guarding.pause(LEE, "look first")
    clock.advance(timedelta(minutes=25))
    go_on(waist)
    waist.operations.decide(asked, SAM, "Reject", "no!")
    waist.operations.guarding.resume(LEE)
    go_on(waist)

    assert status(waist, run) == "Failed"


def test_nothing_else_counts_once_it_has_expired(database: Database, clock: ManualClock) -> None:
    """An approval that comes late is none, whatever silence would say."""
    waist, _ = paused(database, clock, at_expiry="approve")
    asked = waist.question().id
    clock.advance(timedelta(minutes=25))

    with pytest.raises(NoLongerOpen):
        waist.operations.decide(asked, SAM, "Approve")


def test_what_is_held_can_be_taken_back_however_long_it_is(database: Database, clock: ManualClock) -> None:
    """The card offers it, also after the question's own time; then nobody has agreed in time."""
    waist, run = paused(database, clock)
    asked = waist.question().id
    waist.operations.decide(asked, SAM, "Approve")
    waist.operations.guarding.pause(LEE, "look first")
    go_on(waist)
    offered = buttons(waist, run)
    clock.advance(timedelta(minutes=25))
    go_on(waist)
    waist.operations.revoke(asked, SAM)
    waist.operations.guarding.resume(LEE)
    clock.advance(timedelta(minutes=6))
    go_on(waist)

    assert card.REVOKE in offered
    assert status(waist, run) == "Failed"


# -- broken glass


def test_the_glass_may_be_broken_after_others_have_answered(database: Database, clock: ManualClock) -> None:
    """Their answers are no reason to undo it at the second look."""
    waist = Waist(database, clock, ruled(minimum=2, breakers=("lee",)))
    attested(waist, in_slack)
    run = waist.run(by=LEE)
    asked = waist.question().id
    waist.operations.decide(asked, SAM, "Approve")
    waist.operations.break_glass(asked, LEE, REASON, "gate")
    go_on(waist)

    assert status(waist, run) == "Success"
    assert waist.trail("approval.invalidated") == []


def test_who_agreed_before_is_not_two_when_they_break_the_glass(database: Database, clock: ManualClock) -> None:
    """The runbook wants two people; the question stays open for the second one instead of hanging."""
    book = ruled(minimum=2, breakers=("lee",))
    waist = Waist(database, clock, replace(book, parameters={**book.parameters, "Minimum": 2}))
    waist.run(by=SAM)
    asked = waist.question().id
    waist.operations.decide(asked, LEE, "Approve")

    with pytest.raises(NotAllowed, match="wants several approvers"):
        waist.operations.break_glass(asked, LEE, REASON, "gate")
    assert waist.question().id == asked


def test_the_glass_is_offered_only_where_one_more_is_enough_for_the_runbook(
    database: Database, clock: ManualClock
) -> None:
    """The runbook wants two: not while nobody has agreed, nor for whoever has, but for somebody else beside them."""
    book = ruled(minimum=3, breakers=("lee",))
    waist = Waist(database, clock, replace(book, parameters={**book.parameters, "Minimum": 2}))
    run = waist.run(by=SAM)
    asked = waist.question().id
    alone = (card.BREAK_GLASS in buttons(waist, run), waist.question().may_be_broken)
    waist.operations.decide(asked, LEE, "Approve")
    by_themselves = waist.queries.approval(asked).may_be_broken
    waist.operations.revoke(asked, LEE)
    waist.operations.decide(asked, KIM, "Approve")
    beside_kim = (card.BREAK_GLASS in buttons(waist, run), waist.question().may_be_broken)
    waist.operations.break_glass(asked, LEE, REASON, "gate")
    go_on(waist)

    assert alone == (False, False)
    assert by_themselves is False
    assert beside_kim == (True, True)
    assert status(waist, run) == "Success"


def test_who_cannot_break_the_glass_is_told_before_they_write_a_reason(database: Database, clock: ManualClock) -> None:
    """The wish alone is looked at, and a refusal noted; who could is kept from nothing, and nothing is decided."""
    book = ruled(breakers=("lee",))
    waist = Waist(database, clock, book)
    waist.run(by=LEE)
    asked = waist.question().id
    waist.operations.check(asked, LEE, "BreakGlass")
    before = waist.trail("approval.refused")
    with pytest.raises(NotAllowed, match="not among the people who may decide this"):
        waist.operations.check(asked, SAM, "BreakGlass")
    (noted,) = waist.trail("approval.refused")

    assert before == []
    assert (noted.event.actor.id, noted.event.data["verdict"]) == (SAM.id, "BreakGlass")
    assert waist.question().decisions == ()


def test_a_runbook_that_wants_two_refuses_the_glass_at_the_click(database: Database, clock: ManualClock) -> None:
    """A card of before may still show the button."""
    book = ruled(breakers=("lee",))
    waist = Waist(database, clock, replace(book, parameters={**book.parameters, "Minimum": 2}))
    waist.run(by=SAM)

    with pytest.raises(NotAllowed, match="wants several approvers"):
        waist.operations.check(waist.question().id, LEE, "BreakGlass")


def test_a_broken_glass_that_is_taken_back_was_never_anybody_elses(database: Database, clock: ManualClock) -> None:
    """Kim approves as anybody does; Lee, who broke it, does not review it."""
    waist = Waist(database, clock, ruled(breakers=("lee",)))
    attested(waist, in_slack)
    run = waist.run(by=SAM)
    asked = waist.question().id
    waist.operations.break_glass(asked, LEE, REASON, "gate")
    waist.operations.revoke(asked, LEE)
    waist.operations.decide(asked, KIM, "Approve")
    go_on(waist)

    told = str(card.card(waist.facts(run)))
    assert waist.trail("approval.invalidated") == []
    assert "Approved by Kim" in told
    assert "Glass broken" not in told
    with pytest.raises(NotAllowed, match="broke the glass"):
        waist.operations.review(asked, LEE, "it was right")
    waist.operations.review(asked, KIM, "it was right")


def test_another_answer_taken_back_undoes_the_glass_too(database: Database, clock: ManualClock) -> None:
    """It was broken beside an answer that is no more: whoever broke it may do so again."""
    waist = Waist(database, clock, ruled(minimum=2, breakers=("lee",)))
    waist.run(by=LEE)
    asked = waist.question().id
    waist.operations.decide(asked, SAM, "Approve")
    waist.operations.break_glass(asked, LEE, REASON, "gate")
    waist.operations.revoke(asked, SAM)

    assert waist.question().id == asked
    assert waist.question().decisions == ()


ASKS_TWICE = GATE.replace(
    "  - {name: nap", GATE[GATE.index("  - name: ask") : GATE.index("  - {name: nap")] + "  - {name: nap"
)
ASKS_TWICE = ASKS_TWICE.replace("name: ask", "name: ask_again", 1)


def test_a_review_is_found_by_the_id_that_people_see(database: Database, clock: ManualClock) -> None:
    """By the run's, of which its beginning will do; of several it is said which there are, by their own ids."""
    waist = Waist(database, clock, ruled(breakers=("lee",), runbook=ASKS_TWICE))
    run = waist.run(by=LEE)
    asked = []
    with pytest.raises(NotFound, match="waits for a review"):
        waist.queries.to_review(run)
    for _ in range(2):
        asked.append(waist.question().id)
        waist.operations.break_glass(asked[-1], LEE, REASON, "gate")
        waist.settle()
        waist.later(seconds=1)

    with pytest.raises(NotFound, match=f"give one of {', '.join(asked)}"):
        waist.queries.to_review(run)
    waist.operations.review(waist.queries.to_review(asked[0]), SAM, "it was right")
    assert waist.queries.to_review(run) == waist.queries.to_review(run[:8]) == asked[1]
    with pytest.raises(NotFound):
        waist.queries.to_review("nosuch")


def test_who_broke_the_glass_is_not_asked_to_review_it(database: Database, clock: ManualClock) -> None:
    """Whoever started it is, who could not approve it; and nobody any more once it is reviewed."""
    waist = Waist(database, clock, ruled(breakers=("lee",)))
    waist.run(by=SAM)
    asked = waist.question().id
    before = waist.question()
    waist.operations.break_glass(asked, LEE, REASON, "gate")
    broken = waist.queries.approval(asked)
    for by in (LEE, STRANGER):
        with pytest.raises(NotAllowed):
            waist.operations.check(asked, by, "Review")
    waist.operations.check(asked, SAM, "Review")
    waist.operations.review(asked, SAM, "it was right")
    reviewed = waist.queries.approval(asked)
    with pytest.raises(NoLongerOpen, match="reviewed already"):
        waist.operations.check(asked, SAM, "Review")

    assert (before.waits_for_review, before.reviewers) == (False, ())
    assert (broken.waits_for_review, {*broken.reviewers}) == (True, {"<@U02SAM>", "<@U03KIM>"})
    assert (reviewed.waits_for_review, reviewed.reviewers) == (False, ())


@pytest.mark.parametrize("breakers", [(), ("lee",)])
def test_where_nobody_could_approve_it_may_be_rejected(
    database: Database, clock: ManualClock, breakers: tuple[str, ...]
) -> None:
    """Or the glass broken, where the playbook has somebody for that: then it goes on."""
    waist = Waist(database, clock, ruled(groups=HALF_EMPTY, breakers=breakers))
    run = waist.run(by=LEE)
    asked = waist.question().id
    offered = buttons(waist, run)
    if breakers:
        waist.operations.break_glass(asked, LEE, REASON, "gate")
        go_on(waist)

    assert card.REJECT in offered
    assert card.APPROVE not in offered
    assert (card.BREAK_GLASS in offered) is bool(breakers)
    assert status(waist, run) == ("Success" if breakers else "Waiting")


# -- the loop


def test_a_question_with_a_defect_keeps_no_other_one_from_its_end(database: Database, clock: ManualClock) -> None:
    """It is logged and tried again; the others expire in their time."""
    waist = Waist(database, clock, ruled(expires_in=LONG))
    first = waist.run(InstanceId="i-0b7d1c44e9f2a6d35")
    clock.advance(timedelta(seconds=1))
    waist.run(InstanceId="i-0b7d1c44e9f2a6d36")
    bad = next(each.id for each in waist.queries.open_approvals() if each.execution_id == first)
    tried: list[str] = []

    def expire(request_id: str) -> None:
        tried.append(request_id)
        if request_id == bad:
            raise KeyError("a defect")
        waist.operations.expire(request_id)

    clock.advance(timedelta(hours=2))
    expiry = Expiry(waist.db, waist.approvals, expire, clock)
    expiry.pump()
    clock.advance(timedelta(seconds=2))
    expiry.pump()

    assert [each.id for each in waist.queries.open_approvals()] == [bad]
    assert tried.count(bad) == 2
