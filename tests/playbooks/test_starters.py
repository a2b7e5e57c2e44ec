"""Who started a run is looked at once more when an answer lets it go on: refused at the click and at execution."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from infra.db import Database
from playbooks.access import Access, implicit
from playbooks.expiry import Expiry
from playbooks.guards import GuardRules
from playbooks.people import Identity, Unidentified
from playbooks.starters import ACCOUNT, Starters
from tests.fakes.clock import ManualClock
from tests.playbooks.test_child_questions import nested
from tests.playbooks.test_deciding import ruled
from tests.playbooks.waist import DIRECTORY, KIM, LEE, SAM, Waist, gate
from tests.playbooks.worlds import alarm

FAILING = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: "AWS::EC2::Instance::Id"}
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: nonsense}}
"""


class NotNow(Unidentified):
    """It may be known in a moment."""

    is_passing = True


@dataclass
class Door:
    """Who accounts are now: those that are gone, and whom the rules allow to run anything."""

    gone: dict[str, Unidentified] = field(default_factory=dict)
    runners: set[str] = field(default_factory=lambda: {"person:lee", "person:sam", "person:kim"})

    def attest(self, account: str) -> Identity | None:
        """As Slack says. Raises Unidentified."""
        if account in self.gone:
            raise self.gone[account]
        team, _, user = account.removeprefix("slack:").partition("/")
        return DIRECTORY.slack(team, user)

    def placed(self, waist: Waist, *, asks: bool) -> Waist:
        """A waist that asks this door; with `asks` outside of transactions, as where Slack is the door."""
        starters = Starters(waist.store, DIRECTORY, self.attest, lambda _wish, by: by.id in self.runners)
        waist.reactions._starters = starters
        waist.reactions._is_attested = lambda: asks
        deciding = waist.operations._deciding
        deciding.starters, deciding.tell = starters, waist.reactions.tell
        return waist


def tended(waist: Waist, **delta: float) -> None:
    """Time passes, and everything that is due about questions is done."""
    waist.clock.advance(timedelta(**delta))
    Expiry(waist.db, waist.approvals, waist.operations.expire, waist.clock).pump()
    waist.settle()


@pytest.mark.parametrize("asks", [False, True])
def test_who_may_not_run_it_any_more_does_not_have_it_go_on(
    database: Database, clock: ManualClock, *, asks: bool
) -> None:
    """Approved, and held with a sentence that says what to do; with the right back it goes on by itself."""
    door = Door()
    waist = door.placed(Waist(database, clock, gate()), asks=asks)
    execution_id = waist.run(by=LEE)
    door.runners = {"person:sam"}
    waist.operations.decide(waist.question().id, SAM, "Approve")
    waist.settle()
    tended(waist, seconds=40)
    tended(waist, minutes=10)

    facts = waist.facts(execution_id)
    assert facts.steps[0].status == "Waiting"
    assert facts.notice.startswith("Lee, who started this, may not run gate any more, so it does not go on. Stop it")
    (held,) = waist.trail("approval.held")
    assert held.event.data["because"] == facts.notice

    door.runners = {"person:lee"}
    tended(waist, seconds=40)
    tended(waist, seconds=1)
    assert waist.facts(execution_id).status == "Success"
    assert waist.facts(execution_id).notice == ""


def test_a_deactivated_starter_is_named_with_what_the_door_says(database: Database, clock: ManualClock) -> None:
    """And the run can be stopped meanwhile, as the sentence says."""
    door = Door()
    waist = door.placed(Waist(database, clock, gate()), asks=True)
    execution_id = waist.run(by=LEE)
    door.gone = {"slack:T01/U01LEE": Unidentified("Your account is deactivated, so nothing was done.")}
    waist.operations.decide(waist.question().id, SAM, "Approve")
    waist.settle()
    tended(waist)

    assert "(Your account is deactivated, so nothing was done.)" in waist.facts(execution_id).notice
    waist.operations.stop(execution_id, SAM)
    waist.settle()
    tended(waist, minutes=1)
    assert waist.facts(execution_id).status == "Cancelled"


def test_a_door_that_does_not_answer_holds_it_until_it_does(database: Database, clock: ManualClock) -> None:
    """Nobody is taken for gone because Slack is away."""
    door = Door(gone={"slack:T01/U01LEE": NotNow("Slack does not tell me who you are right now.")})
    waist = door.placed(Waist(database, clock, gate()), asks=True)
    execution_id = waist.run(by=LEE)
    waist.operations.decide(waist.question().id, SAM, "Approve")
    waist.settle()
    tended(waist)
    assert waist.facts(execution_id).steps[0].status == "Waiting"

    door.gone = {}
    tended(waist, seconds=40)
    assert waist.facts(execution_id).steps[0].status == "Success"


@pytest.mark.parametrize("asks", [False, True])
def test_silence_does_not_go_past_it(database: Database, clock: ManualClock, *, asks: bool) -> None:
    """What nobody objected to is held like what somebody approved."""
    door = Door(runners=set())
    silent = ruled(at_expiry="approve", expires_in=timedelta(minutes=5))
    waist = door.placed(Waist(database, clock, silent), asks=asks)
    execution_id = waist.run(by=LEE)
    tended(waist, minutes=6)
    tended(waist, minutes=1)

    assert waist.facts(execution_id).steps[0].status == "Waiting"
    assert "may not run gate any more" in waist.facts(execution_id).notice


@pytest.mark.parametrize("asks", [False, True])
def test_a_broken_glass_an_alarm_and_a_child_of_others(database: Database, clock: ManualClock, *, asks: bool) -> None:
    """Who breaks the glass answers for it; an alarm has no right to lose; a child is its playbook's starter's."""
    door = Door(runners=set())
    broken = door.placed(Waist(database, clock, ruled(breakers=("kim",), start="auto")), asks=asks)
    first = broken.run(by=LEE)
    broken.operations.break_glass(broken.question().id, KIM, "customers are down", "gate")
    broken.settle()
    tended(broken)
    assert broken.facts(first).steps[0].status == "Success"
    tended(broken, seconds=2)

    (second,) = broken.operations.receive(alarm()).executions
    broken.settle()
    broken.operations.decide(broken.question().id, SAM, "Approve")
    broken.settle()
    tended(broken)
    assert broken.facts(second).steps[0].status == "Success"


def test_a_childs_question_looks_at_who_started_its_playbook(database: Database, clock: ManualClock) -> None:
    """However deep the question is."""
    door = Door()
    waist = door.placed(nested(database, clock, depth=3, approvers=("sam",)), asks=True)
    waist.run(by=LEE)
    door.runners = set()
    waist.operations.decide(waist.question().id, SAM, "Approve")
    waist.settle()
    tended(waist)

    (top,) = waist.queries.executions()
    assert top.status not in ("Success", "Failed")
    (held,) = waist.trail("approval.held")
    assert "Lee, who started this, may not run gate any more" in str(held.event.data["because"])


def test_the_account_is_kept_and_is_that_of_who_retries(database: Database, clock: ManualClock) -> None:
    """What was started before accounts were kept is looked at by the table's Slack user; a retry is its own."""
    failing = gate(runbook=FAILING, parameters={})
    waist = Waist(database, clock, failing, rules=GuardRules(Access(implicit((failing,), ()))))
    execution_id = waist.run(by=LEE)
    state = waist.state(execution_id)
    starters = Starters(waist.store, DIRECTORY, Door().attest, lambda *_: True)
    assert state.context[ACCOUNT] == "slack:T01/U01LEE"

    again = waist.operations.steering.retry(execution_id, KIM, said_in="")
    assert waist.state(again).context[ACCOUNT] == KIM.account
    with database.transaction() as tx:
        before: dict[str, Any] = {name: value for name, value in state.context.items() if name != ACCOUNT}
        old = replace(waist.state(execution_id), context=before)
        assert starters._slack_of(old) == "slack:/U01LEE"
        found = starters.of(tx, execution_id)
    assert found is not None
    assert found.wish.playbook == "gate"
