"""The facts are true at each stage: asked is not decided, decided is not done."""

from datetime import timedelta

import pytest

from infra.db import Database
from playbooks.operations import UnknownPlaybook
from playbooks.queries import NotFound
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import GATE, LEE, SAM, STRANGER, Waist, gate
from tests.playbooks.worlds import INSTANCE, alarm


def test_the_facts_follow_the_execution(database: Database, clock: ManualClock) -> None:
    """Asked, decided but not yet told, going on, done: each stage says no more than what is so."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()

    def stage() -> tuple[str, str, list[str]]:
        facts = waist.facts(execution_id)
        assert facts.approval is not None
        return facts.status, facts.approval.status, [step.status for step in facts.steps]

    asked = stage()
    waist.operations.decide(waist.question().id, SAM, "Approve")
    decided = stage()
    waist.settle()
    going_on = stage()
    waist.later(seconds=1)
    done = stage()

    assert asked == ("Waiting", "Waiting", ["Waiting", "Pending"])
    assert decided == ("Waiting", "Approved", ["Waiting", "Pending"])
    assert going_on == ("InProgress", "Approved", ["Success", "InProgress"])
    assert done == ("Success", "Approved", ["Success", "Success"])
    assert waist.facts(execution_id).is_over
    assert waist.facts(execution_id).ended_at == clock()


def test_a_card_knows_who_what_and_where(database: Database, clock: ManualClock) -> None:
    """The starter, the title, the resources it works on, the Region and the channel."""
    waist = Waist(database, clock, gate())
    facts = waist.facts(waist.run())

    assert (facts.playbook, facts.title, facts.started_by.name) == ("gate", "A nap", "Lee")
    assert (facts.targets, facts.region, facts.account, facts.channel) == (
        (INSTANCE,),
        "eu-west-1",
        "402715938824",
        "C01",
    )
    assert facts.alarm is None


def test_the_open_question_comes_before_answered_ones(database: Database, clock: ManualClock) -> None:
    """With two gates the card speaks of the one that waits; when none does, of the last."""
    twice = GATE + '  - {name: again, action: "aws:approve", inputs: {Approvers: ["{{ Approvers }}"]}}\n'
    waist = Waist(database, clock, gate(runbook=twice))
    execution_id = waist.run()
    waist.operations.decide(waist.question().id, SAM, "Approve")
    waist.settle()
    waist.later(seconds=1)

    facts = waist.facts(execution_id)
    assert facts.approval is not None
    assert (facts.approval.step_name, facts.approval.status) == ("again", "Waiting")
    assert [each.status for each in facts.approvals] == ["Approved", "Waiting"]


def test_an_execution_is_found_by_the_beginning_of_its_id(database: Database, clock: ManualClock) -> None:
    """Eight characters are enough, in either case; three are not; an unknown one is named."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()

    assert waist.facts(f" {execution_id[:8].upper()} ").id == execution_id
    with pytest.raises(NotFound, match="at least 4 characters"):
        waist.facts(execution_id[:3])
    with pytest.raises(NotFound, match="no execution `ffffffff`"):
        waist.facts("ffffffff")
    with pytest.raises(NotFound, match="no execution `%%%%`"):
        waist.facts("%%%%")


def test_the_list_is_newest_first_and_may_leave_out_what_is_over(database: Database, clock: ManualClock) -> None:
    """`is_open` shows what still runs."""
    waist = Waist(database, clock, gate(lock=()))
    first = waist.run()
    clock.advance(1)
    second = waist.run()
    waist.operations.stop(first, LEE)
    waist.settle()

    assert [each.id for each in waist.queries.executions()] == [second, first]
    assert [each.id for each in waist.queries.executions(is_open=True)] == [second]
    assert len(waist.queries.executions(limit=1)) == 1


def test_people_see_what_they_may_run(database: Database, clock: ManualClock) -> None:
    """The list is for the person who asks; without one it is whole."""
    waist = Waist(database, clock, gate(), gate(name="open", may_run=("*",)), gate(name="alarms-only", may_run=()))

    assert [each.name for each in waist.queries.playbooks(LEE)] == ["gate", "open"]
    assert [each.name for each in waist.queries.playbooks(STRANGER)] == ["open"]
    assert [each.name for each in waist.queries.playbooks()] == ["gate", "open", "alarms-only"]


def test_a_form_offers_what_a_person_may_give(database: Database, clock: ManualClock) -> None:
    """What the playbook fixes, and what decides about approval, is preset or left out."""
    waist = Waist(database, clock, gate())
    facts = waist.queries.playbook("gate")

    assert [parameter.name for parameter in facts.parameters] == ["InstanceId"]
    assert facts.preset == {"Approvers": ["{{ playbook.approvers }}"]}
    with pytest.raises(UnknownPlaybook, match="Did you mean `gate`"):
        waist.queries.playbook("gat")


def test_the_timeline_tells_the_story_in_order(database: Database, clock: ManualClock) -> None:
    """Every event of the execution as a sentence with its actor, and none of another one."""
    waist = Waist(database, clock, gate(lock=()))
    execution_id = waist.run()
    waist.run()
    waist.operations.decide(
        next(each.id for each in waist.queries.open_approvals() if each.execution_id == execution_id), SAM, "Approve"
    )
    waist.settle()
    waist.later(seconds=1)

    lines = waist.queries.timeline(execution_id)
    names = [line.name for line in lines]
    assert names[0] == "execution.started"
    assert names[-1] == "execution.ended"
    order = [names.index(name) for name in ("step.waiting", "approval.asked", "approval.decided", "signal.received")]
    assert order == sorted(order)
    assert [line.seq for line in lines] == sorted(line.seq for line in lines)
    decided = next(line for line in lines if line.name == "approval.decided")
    assert (decided.actor.id, decided.text) == (SAM.id, "approved step ask")
    assert names.count("execution.started") == 1


def test_what_is_unknown_is_said_in_words(database: Database, clock: ManualClock) -> None:
    """Questions and suggestions of elsewhere."""
    waist = Waist(database, clock, gate())

    with pytest.raises(NotFound, match="request is not known"):
        waist.queries.approval("nothing")
    with pytest.raises(NotFound, match="alarm is not known"):
        waist.queries.suggestion("nothing")
    with pytest.raises(NotFound):
        waist.queries.timeline("nothing")


def test_an_alarm_that_ended_shows_on_its_suggestion(database: Database, clock: ManualClock) -> None:
    """What nobody has answered yet says that the alarm is over by itself."""
    waist = Waist(database, clock, gate(start="suggest"))
    key = waist.operations.receive(alarm()).key
    assert waist.queries.suggestion(key).alarm_now == ""

    waist.operations.receive(alarm(state="OK", changed_at=alarm().changed_at + timedelta(minutes=1)))

    assert waist.queries.suggestion(key).alarm_now == "OK"


def test_a_form_names_the_people_it_will_ask(database: Database, clock: ManualClock) -> None:
    """Not the list they are on: whoever starts it sees who has to be awake."""
    facts = Waist(database, clock, gate()).queries.playbook("gate")

    assert facts.approvers == ("<@U01LEE>", "<@U02SAM>", "<@U03KIM>")
