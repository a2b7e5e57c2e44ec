"""What holds starts back, through the waist: locks, budgets, freezes, the pause, protected tags and access."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from approvals.request import ApproverGroup
from engine.execution import Change
from infra.canonical import Json
from infra.db import Database
from playbooks.access import Access, Rule, implicit
from playbooks.approval_policy import ApprovalPolicy, StepPolicies
from playbooks.budgets import Budget
from playbooks.freezes import Freeze
from playbooks.guards import GuardRules
from playbooks.operations import NotAllowed, Order, Refused
from playbooks.playbook import Playbook
from playbooks.refusals import Busy, HeldBack, ParametersRefused
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import KIM, LEE, SAM, STRANGER, Waist, gate
from tests.playbooks.worlds import INSTANCE, NOON, alarm, metric

GIVEN = {"InstanceId": INSTANCE}
OTHER = "i-0b7d1c44e9f2a6d36"


def rules(*playbooks: Playbook, admins: tuple[str, ...] = (), **fields: Any) -> GuardRules:
    """The settings' rules."""
    return GuardRules(Access(implicit(playbooks, admins)), **fields)


def reasons(waist: Waist, name: str = "start.refused") -> list[str]:
    """Why starts were held back, by the trail."""
    return [str(entry.event.data["why"]) for entry in waist.trail(name)]


def keys(waist: Waist) -> list[str]:
    """The resources that are held."""
    return [each.resource for each in waist.operations.guarding.held()]


# -- locks


def test_one_execution_per_resource(database: Database, clock: ManualClock) -> None:
    """The second start on an instance is refused while the first waits for approval; another instance is free."""
    waist = Waist(database, clock, gate(), gate(name="other"))
    first = waist.run()
    clock.advance(timedelta(minutes=3))

    with pytest.raises(Busy) as refused:
        waist.run("other", SAM, InstanceId=INSTANCE)

    assert str(refused.value) == (
        f"{INSTANCE} is already being handled by A nap ({first[:8]}), started by Lee at 03:02 UTC."
    )
    assert waist.facts(first).status == "Waiting"
    assert reasons(waist) == ["busy"]
    assert len(waist.queries.executions()) == 1
    waist.run("other", SAM, InstanceId=OTHER)
    assert sorted(keys(waist)) == [INSTANCE, OTHER]


def test_the_resource_is_free_when_the_run_is_over(database: Database, clock: ManualClock) -> None:
    """However it ends, and even when nobody was told of the end: the execution's own state counts."""
    waist = Waist(database, clock, gate())
    first = waist.run()
    waist.operations.stop(first, LEE)
    assert keys(waist) == []

    second = waist.operations.start(Order("gate", GIVEN), SAM)

    assert [each.execution_id for each in waist.operations.guarding.held()] == [second]


def test_a_lock_survives_a_restart(database: Database, clock: ManualClock) -> None:
    """It is a row: the process that comes up afterwards finds it."""
    Waist(database, clock, gate()).run()

    with pytest.raises(Busy):
        Waist(database, clock, gate()).run()


def test_the_same_wish_twice_is_no_conflict(database: Database, clock: ManualClock) -> None:
    """A repeated delivery gets the execution it has started."""
    waist = Waist(database, clock, gate())
    order = Order("gate", GIVEN, request_key="click")

    assert waist.operations.start(order, LEE) == waist.operations.start(order, LEE)


def test_a_second_alarm_starts_nothing_on_the_same_instance(database: Database, clock: ManualClock) -> None:
    """It is suggested with the reason, and noted on the execution that is at it."""
    waist = Waist(database, clock, gate(start="auto"))
    (first,) = waist.operations.receive(alarm()).executions
    waist.settle()
    clock.advance(timedelta(minutes=2))

    received = waist.operations.receive(alarm(name="web-1-status", changed_at=NOON + timedelta(minutes=2)))

    assert received.verdict == "suggested"
    why = waist.queries.suggestion(received.key).why
    assert why == f"{INSTANCE} was in use by A nap ({first[:8]}), which alarm web-1-cpu had started at 03:02 UTC."
    (noted,) = waist.trail("start.refused")
    assert (noted.event.subject, noted.event.actor.name) == (first, "web-1-status")


def test_an_alarm_knows_who_has_its_resource(database: Database, clock: ManualClock) -> None:
    """By the id of one of its dimensions, in its own Region; the run that it has started itself is no obstacle."""
    waist = Waist(database, clock, gate())
    first = waist.run()
    key = waist.operations.receive(alarm()).key
    elsewhere = waist.operations.receive(alarm(name="web-9", region="us-east-1")).key
    holder = waist.queries.suggestion(key).holder
    assert holder is not None
    assert (holder.execution_id, holder.title, holder.actor.id) == (first, "A nap", LEE.id)
    assert waist.queries.suggestion(elsewhere).holder is None

    waist.operations.stop(first, LEE)
    assert waist.queries.suggestion(key).holder is None
    own = waist.operations.start(Order("gate", suggestion_id=key), SAM)

    facts = waist.queries.suggestion(key)
    assert (facts.holder, facts.is_running, [run.id for run in facts.runs]) == (None, True, [own])


def test_an_unknown_account_meets_a_known_one(database: Database, clock: ManualClock) -> None:
    """A person's run, whose account nobody has said, and an alarm's run on one instance are on one instance."""
    waist = Waist(database, clock, gate(start="auto"), account="")
    waist.run()

    assert waist.operations.receive(alarm()).verdict == "suggested"


def test_several_resources_are_taken_together_or_not_at_all(database: Database, clock: ManualClock) -> None:
    """Where one of them is in use the others stay free."""
    runbook = (
        'schemaVersion: "0.3"\nparameters: {Instances: {type: "List<AWS::EC2::Instance::Id>"}}\n'
        'mainSteps: [{name: hold, action: "aws:pause", inputs: {}}]\n'
    )
    waist = Waist(database, clock, gate(name="many", runbook=runbook, parameters={}, trigger=None))
    waist.run("many", Instances=[OTHER])

    with pytest.raises(Busy):
        waist.run("many", Instances=[INSTANCE, OTHER])

    assert keys(waist) == [OTHER]
    waist.run("many", Instances=[INSTANCE])


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Call all of them from threads of their own; their answers or their refusals."""
    ready, lock, found = threading.Barrier(len(calls)), threading.Lock(), list[object]()

    def one(call: Callable[[], object]) -> None:
        ready.wait()
        try:
            answer: object = call()
        except Refused as refused:
            answer = refused
        with lock:
            found.append(answer)

    threads = [threading.Thread(target=one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_ten_people_start_at_once(database: Database, clock: ManualClock) -> None:
    """One of them has the instance, nine are told who; no lock is left over."""
    waist = Waist(database, clock, gate())

    found = at_once(*[lambda: waist.operations.start(Order("gate", GIVEN), LEE)] * 10)

    started = [each for each in found if isinstance(each, str)]
    assert len(started) == 1
    assert sum(isinstance(each, Busy) for each in found) == 9
    assert [each.execution_id for each in waist.operations.guarding.held()] == started
    assert len(waist.queries.executions(limit=20)) == 1


def test_alarms_and_people_race(database: Database, clock: ManualClock) -> None:
    """Five alarms and five people on one instance: one execution, whoever was first."""
    waist = Waist(database, clock, gate(start="auto"))
    alarms = [lambda number=number: waist.operations.receive(alarm(name=f"web-{number}")) for number in range(5)]
    people = [lambda: waist.operations.start(Order("gate", GIVEN), LEE)] * 5

    at_once(*alarms, *people)

    assert len(waist.queries.executions(limit=20)) == 1
    assert keys(waist) == [INSTANCE]


def test_opposite_orders_do_not_lock_each_other_up(database: Database, clock: ManualClock) -> None:
    """Two lists of the same resources in opposite order: one starts, the other hears so."""
    runbook = (
        'schemaVersion: "0.3"\nparameters: {Instances: {type: "List<AWS::EC2::Instance::Id>"}}\n'
        'mainSteps: [{name: hold, action: "aws:pause", inputs: {}}]\n'
    )
    waist = Waist(database, clock, gate(name="many", runbook=runbook, parameters={}, trigger=None))
    both: list[Json] = [f"i-0b7d1c44e9f2a6d{number:02}" for number in range(10)]

    found = at_once(
        *[lambda: waist.operations.start(Order("many", {"Instances": both}), LEE)] * 3,
        *[lambda: waist.operations.start(Order("many", {"Instances": both[::-1]}), LEE)] * 3,
    )

    assert sum(isinstance(each, str) for each in found) == 1
    assert sum(isinstance(each, Busy) for each in found) == 5


# -- notify me, take over


def test_whoever_wants_to_know_is_told(database: Database, clock: ManualClock) -> None:
    """Once for each of them, when the execution is over; asking twice is asking once."""
    waist = Waist(database, clock, gate())
    first = waist.run()
    for _ in range(2):
        waist.operations.guarding.notify_me(first, SAM, mention="<@U02SAM>")
    waist.operations.guarding.notify_me(first, KIM, mention="<@U03KIM>")
    waist.settle()
    assert waist.trail("lock.released") == []

    waist.operations.stop(first, LEE)
    waist.settle()
    waist.again("execution.ended")

    (told,) = waist.trail("lock.released")
    assert (told.event.data["tell"], told.event.data["resources"]) == (["<@U03KIM>", "<@U02SAM>"], [INSTANCE])
    with pytest.raises(Refused, match="over already"):
        waist.operations.guarding.notify_me(first, SAM)


def held_back(waist: Waist, **fields: Any) -> str:
    """The id of a wish that was refused because the instance is in use."""
    with pytest.raises(Busy) as refused:
        waist.operations.start(Order("gate", GIVEN, **fields), SAM)
    assert refused.value.wish is not None
    return refused.value.wish.id


def test_take_over_stops_and_starts(database: Database, clock: ManualClock) -> None:
    """What waits for people ends at once, and the other begins in the same moment."""
    waist = Waist(database, clock, gate())
    first = waist.run()
    wish = held_back(waist)

    taken = waist.operations.guarding.take_over(wish, SAM)
    waist.settle()

    assert (taken.holder.execution_id, taken.holder.title) == (first, "A nap")
    assert waist.facts(first).status == "Cancelled"
    assert waist.facts(taken.execution_id).started_by.id == SAM.id
    (noted,) = waist.trail("lock.taken_over")
    assert (noted.event.subject, noted.event.actor.id) == (first, SAM.id)
    with pytest.raises(Refused, match="no longer open"):
        waist.operations.guarding.take_over(wish, SAM)


def test_take_over_names_a_holder_that_is_over(database: Database, clock: ManualClock) -> None:
    """Its resource is free already; the run is still called what it was, and who had started it."""
    waist = Waist(database, clock, gate())
    first = waist.run()
    wish = held_back(waist)
    waist.operations.stop(first, LEE)
    waist.settle()

    taken = waist.operations.guarding.take_over(wish, SAM)

    assert (taken.holder.execution_id, taken.holder.title, taken.holder.actor.id) == (first, "A nap", LEE.id)
    assert waist.facts(taken.execution_id).started_by.id == SAM.id


def test_take_over_waits_for_the_running_step(database: Database, clock: ManualClock) -> None:
    """Two executions never work on it at one time: the second begins when the first is really over."""
    waist = Waist(database, clock, gate())
    first = waist.run()
    waist.operations.decide(waist.question().id, SAM, "Approve")
    waist.relay.pump()
    wish = held_back(waist)
    waist.settle()
    with database.transaction() as tx:
        waist.engine.stop = lambda *_: None  # type: ignore[method-assign]  # the step is still being stopped
        assert waist.operations.guards.is_open(tx, first)

    taken = waist.operations.guarding.take_over(wish, SAM)

    assert taken.execution_id == ""
    assert len(waist.queries.executions()) == 1
    waist.later(seconds=1)
    assert waist.facts(first).is_over
    second = waist.queries.executions(limit=1)[0]
    assert (second.id != first, second.started_by.id) == (True, SAM.id)
    waist.again("execution.ended")
    assert len(waist.queries.executions()) == 2


def test_take_over_is_for_those_who_may_do_both(database: Database, clock: ManualClock) -> None:
    """To run the one and to stop the other; the refusal is noted and nothing is stopped."""
    waist = Waist(database, clock, gate())
    first = waist.run()
    wish = held_back(waist)

    with pytest.raises(NotAllowed):
        waist.operations.guarding.take_over(wish, STRANGER)

    waist.settle()
    assert waist.facts(first).status == "Waiting"
    assert [entry.event.actor.id for entry in waist.trail("access.refused")] == [STRANGER.id]


def test_two_take_over_at_once(database: Database, clock: ManualClock) -> None:
    """One of them has it; one execution more than before."""
    waist = Waist(database, clock, gate())
    waist.run()
    wish = held_back(waist)

    found = at_once(*[lambda: waist.operations.guarding.take_over(wish, SAM)] * 4)

    assert sum(isinstance(each, Refused) for each in found) == 3
    assert len(waist.queries.executions()) == 2


# -- budgets


def spend(waist: Waist, number: int, **fields: Any) -> str:
    """The verdict on one alarm; what it started is stopped, so that only the budget counts."""
    received = waist.operations.receive(alarm(changed_at=NOON + timedelta(minutes=number), **fields))
    waist.settle()
    for execution_id in received.executions:
        waist.operations.stop(execution_id, LEE)
    waist.settle()
    return received.verdict


def test_a_budget_makes_auto_a_suggestion(database: Database, clock: ManualClock) -> None:
    """Two in an hour; the third alarm is suggested with the counter, and after the hour it starts again."""
    waist = Waist(database, clock, gate(start="auto", budget=Budget(2, timedelta(hours=1))))

    assert [spend(waist, number) for number in range(3)] == ["started", "started", "suggested"]
    assert reasons(waist) == ["budget"]
    newest = waist.queries.suggestion(alarm(changed_at=NOON + timedelta(minutes=2)).transition_key)
    assert "its budget is used up (2 of 2 automatic starts in 60 min)" in newest.why
    by_hand = waist.run()
    waist.operations.stop(by_hand, LEE)
    waist.settle()
    clock.advance(timedelta(hours=1))
    assert spend(waist, 90) == "started"


def test_each_target_has_its_own_budget(database: Database, clock: ManualClock) -> None:
    """And each playbook; what the settings say counts where the playbook says nothing."""
    playbooks = gate(start="auto"), gate(name="late", start="suggest")
    waist = Waist(database, clock, *playbooks, rules=rules(*playbooks, budget=Budget(1, timedelta(hours=1))))
    other = (metric(InstanceId=OTHER),)

    assert [spend(waist, 0), spend(waist, 1), spend(waist, 2, metrics=other)] == ["started", "suggested", "started"]


def test_the_counter_is_in_the_execution(database: Database, clock: ManualClock) -> None:
    """So that a card can show how far it is used."""
    waist = Waist(database, clock, gate(start="auto", budget=Budget(2, timedelta(hours=1))))

    (execution_id,) = waist.operations.receive(alarm()).executions

    assert waist.state(execution_id).context["budget"] == "1 of 2 automatic starts in 60 min"


def test_a_budget_holds_under_a_storm(database: Database, clock: ManualClock) -> None:
    """Twenty alarms at once on something without a lock: as many starts as the budget has."""
    waist = Waist(database, clock, gate(start="auto", lock=(), budget=Budget(3, timedelta(hours=1))))
    one = alarm()

    found = at_once(
        *[
            lambda number=number: (
                waist.operations.receive(alarm(arn=one.id, changed_at=NOON + timedelta(minutes=number))).verdict
            )
            for number in range(12)
        ]
    )

    assert (found.count("started"), found.count("suggested")) == (3, 9)


# -- freezes


FREEZE = Freeze("release", end=NOON + timedelta(days=4000), playbooks=("ga*",), why="Black Friday")


def test_a_freeze_starts_nothing(database: Database, clock: ManualClock) -> None:
    """Neither by itself nor by hand; what it does not name is free."""
    playbooks = gate(start="auto"), gate(name="other", start="suggest")
    waist = Waist(database, clock, *playbooks, rules=rules(*playbooks, freezes=(FREEZE,)))

    assert waist.operations.receive(alarm()).verdict == "suggested"
    with pytest.raises(HeldBack, match=r"The freeze release \(Black Friday\) holds until"):
        waist.run()
    assert reasons(waist) == ["frozen", "frozen"]
    waist.run("other", InstanceId=INSTANCE)


def test_who_may_override_says_why(database: Database, clock: ManualClock) -> None:
    """An admin starts in a freeze with a reason; without one they are told how, others that they may not."""
    waist = Waist(database, clock, gate(), rules=rules(gate(), admins=("sam",), freezes=(FREEZE,)), admins=("sam",))

    with pytest.raises(HeldBack, match='You may override it: say why with override="…"'):
        waist.operations.start(Order("gate", GIVEN), SAM)
    with pytest.raises(HeldBack, match="You may not override it"):
        waist.operations.start(Order("gate", GIVEN, override="I want to"), LEE)
    execution_id = waist.operations.start(Order("gate", GIVEN, override="customers are down"), SAM)

    (noted,) = waist.trail("freeze.overridden")
    assert (noted.event.subject, noted.event.data["reason"]) == (execution_id, "customers are down")


# -- everything paused


def test_paused_means_that_nothing_goes_on(database: Database, clock: ManualClock) -> None:
    """No start by alarm or person, no approval, no resume; stop and reject work, and afterwards all does."""
    waist = Waist(database, clock, gate(start="auto"), admins=("kim",))
    first = waist.run()
    other = waist.run(InstanceId=OTHER)
    question = {each.execution_id: each.id for each in waist.queries.open_approvals()}
    guarding = waist.operations.guarding
    guarding.pause(KIM, "DNS is  down")

    third = "i-0b7d1c44e9f2a6d37"
    assert waist.operations.receive(alarm(metrics=(metric(InstanceId=third),))).verdict == "suggested"
    for attempt in (
        lambda: waist.run(InstanceId=third),
        lambda: waist.operations.decide(question[first], SAM, "Approve"),
        lambda: waist.operations.resume(first, LEE),
    ):
        with pytest.raises(HeldBack, match=r"Everything is paused by Kim since .* UTC: DNS is down"):
            attempt()
    waist.operations.decide(question[other], SAM, "Reject")
    waist.operations.stop(first, LEE)
    waist.settle()
    assert (waist.facts(first).status, waist.facts(other).status) == ("Cancelled", "Failed")
    assert reasons(waist) == ["paused"] * 4

    guarding.resume(KIM)
    waist.run(InstanceId=third)
    assert [each.event.name for each in waist.trail("bot.paused", "bot.resumed")] == ["bot.paused", "bot.resumed"]


NAPS = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: "AWS::EC2::Instance::Id"}
mainSteps:
  - {name: one, action: "aws:sleep", inputs: {Duration: PT10S}}
  - {name: two, action: "aws:sleep", inputs: {Duration: PT10S}}
"""


def test_a_pause_holds_a_run_between_two_steps(database: Database, clock: ManualClock) -> None:
    """A step that runs ends; the next one begins when everything is resumed, also where a process died in between."""
    naps = gate(runbook=NAPS, parameters={})
    waist = Waist(database, clock, naps, admins=("kim",))
    execution_id = waist.run()
    waist.operations.guarding.pause(KIM, "DNS is down")
    waist.later(seconds=10)
    waist.later(days=2)

    facts = waist.facts(execution_id)
    assert [each.status for each in facts.steps] == ["Success", "Pending"]
    assert facts.notice.startswith("Everything is paused by Kim since ")
    assert [each.event.subject for each in waist.trail("execution.paused")] == [execution_id]

    waist.operations.guarding.resume(KIM)
    reborn = Waist(database, clock, naps, admins=("kim",))
    reborn.settle()
    assert [each.status for each in reborn.facts(execution_id).steps] == ["Success", "InProgress"]
    assert reborn.facts(execution_id).notice == ""
    reborn.again("bot.resumed")
    reborn.later(seconds=10)
    assert reborn.facts(execution_id).status == "Success"


@pytest.mark.parametrize("is_attested", [False, True])
def test_a_pause_holds_what_was_approved_before_it(
    database: Database, clock: ManualClock, *, is_attested: bool
) -> None:
    """An answer given before the pause waits, which is said once; it counts when the pause has ended."""
    waist = Waist(database, clock, gate(), admins=("kim",))
    waist.reactions._is_attested = lambda: is_attested
    waist.operations._deciding.tell = waist.reactions.tell
    execution_id = waist.run()
    request_id = waist.question().id
    waist.operations.decide(request_id, SAM, "Approve")
    waist.operations.guarding.pause(KIM, "")
    for _ in range(3):
        waist.settle()
        waist.operations.expire(request_id)
        waist.later(seconds=31)

    assert waist.facts(execution_id).steps[0].status == "Waiting"
    assert waist.facts(execution_id).notice.startswith("Everything is paused by Kim")
    (held,) = waist.trail("approval.held")
    assert str(held.event.data["because"]).startswith("Everything is paused by Kim")
    waist.operations.guarding.resume(KIM)
    waist.operations.expire(request_id)
    waist.settle()
    waist.later(seconds=1)
    assert waist.facts(execution_id).status == "Success"


def test_what_a_pause_has_held_is_looked_at_when_it_ends(database: Database, clock: ManualClock) -> None:
    """Not before, as each look asks Slack for everybody who agreed; and not later than the resume."""
    waist = Waist(database, clock, gate(), admins=("kim",))
    watched: list[tuple[str, datetime]] = []
    waist.reactions._watch = lambda request_id, at: watched.append((request_id, at))
    waist.run()
    request_id = waist.question().id
    waist.operations.decide(request_id, SAM, "Approve")
    waist.operations.guarding.pause(KIM, "")
    waist.settle()
    assert watched[-1][0] == request_id
    assert watched[-1][1] - clock() >= timedelta(minutes=5)
    waist.operations.guarding.resume(KIM)
    waist.settle()

    assert watched[-1] == (request_id, clock())


def test_what_a_pause_holds_can_be_taken_back(database: Database, clock: ManualClock) -> None:
    """The step has not heard of the answer, so it is not too late; the question is open again."""
    waist = Waist(database, clock, gate(), admins=("kim",))
    waist.run()
    request_id = waist.question().id
    waist.operations.decide(request_id, SAM, "Approve")
    waist.operations.guarding.pause(KIM, "")
    waist.settle()
    waist.operations.revoke(request_id, SAM)
    waist.operations.guarding.resume(KIM)
    waist.operations.expire(request_id)
    waist.settle()

    assert waist.question().decisions == ()
    assert waist.trail("signal.received") == []


def test_not_even_the_glass_is_broken_while_everything_is_paused(database: Database, clock: ManualClock) -> None:
    """An admin resumes first; then it is broken as always."""
    waist = Waist(database, clock, gate(break_glass=("kim",)), admins=("kim",))
    execution_id = waist.run()
    request_id = waist.question().id
    waist.operations.guarding.pause(KIM, "")

    with pytest.raises(HeldBack, match="Everything is paused by Kim"):
        waist.operations.break_glass(request_id, KIM, "customers are down", "gate")
    waist.settle()
    assert waist.question().id == request_id
    waist.operations.guarding.resume(KIM)
    waist.operations.break_glass(request_id, KIM, "customers are down", "gate")
    waist.settle()
    waist.later(seconds=1)
    assert waist.facts(execution_id).status == "Success"


def test_a_pause_says_what_it_cannot_do_about_a_run_of_aws(database: Database, clock: ManualClock) -> None:
    """What AWS runs goes on by itself up to its next question: its card says so, and how to end it."""
    waist = Waist(database, clock, gate(), admins=("kim",))
    execution_id = waist.run()
    with database.transaction() as tx:
        state = waist.state(execution_id)
        waist.store.save(tx, Change(replace(state, engine="ssm")), clock())
    assert waist.facts(execution_id).notice == ""
    waist.operations.guarding.pause(KIM, "")

    assert "AWS runs this one, and cannot be paused" in waist.facts(execution_id).notice


def test_a_pause_that_holds_a_step_is_not_ended_before_that_is_saved(database: Database, clock: ManualClock) -> None:
    """Else a run could be held by a pause that nobody will end any more; on SQLite one writes at a time anyway."""
    waist = Waist(database, clock, gate(), admins=("kim",))
    waist.operations.guarding.pause(KIM, "")
    with database.transaction() as tx:
        assert waist.operations.guards.why_held(tx)
        if database.is_sqlite:
            return
        with database.engine.connect() as other, pytest.raises(DBAPIError, match="could not obtain lock"):
            other.exec_driver_sql("SELECT 1 FROM switch FOR UPDATE NOWAIT")


def test_silence_approves_nothing_while_paused(database: Database, clock: ManualClock) -> None:
    """A question whose silence means yes waits for the switch, too; afterwards it is closed as it says."""
    policy = ApprovalPolicy(groups=(ApproverGroup(("kim",)),), at_expiry="approve", expires_in=timedelta(minutes=5))
    waist = Waist(database, clock, gate(approvers=("kim",), approval=StepPolicies(policy)), admins=("kim",))
    execution_id = waist.run()
    request = waist.question()
    waist.operations.guarding.pause(KIM, "")
    clock.advance(timedelta(minutes=6))

    waist.operations.expire(request.id)
    waist.settle()
    assert waist.question().id == request.id
    waist.operations.guarding.resume(KIM)
    waist.operations.expire(request.id)
    waist.settle()

    assert waist.facts(execution_id).status == "InProgress"


def test_the_pause_survives_a_restart_and_is_for_admins(database: Database, clock: ManualClock) -> None:
    """Nobody else pauses or resumes; twice is told; another process knows."""
    waist = Waist(database, clock, gate(), admins=("kim",))
    for attempt in (lambda: waist.operations.guarding.pause(LEE, ""), lambda: waist.operations.guarding.resume(LEE)):
        with pytest.raises(NotAllowed, match="Only the admins"):
            attempt()
    with pytest.raises(Refused, match="Nothing is paused"):
        waist.operations.guarding.resume(KIM)
    waist.operations.guarding.pause(KIM, "")

    with pytest.raises(Refused, match="Everything is paused by Kim"):
        waist.operations.guarding.pause(KIM, "again")
    assert Waist(database, clock, gate(), admins=("kim",)).operations.guarding.paused() is not None


# -- protected tags


@pytest.mark.parametrize(("value", "verdict"), [("true", "suggested"), ("", "suggested"), ("false", "started")])
def test_a_protected_alarm_starts_nothing(database: Database, clock: ManualClock, value: str, verdict: str) -> None:
    """The tag on the alarm leaves it to people, and the card says so; a tag that says no is none."""
    waist = Waist(database, clock, gate(start="auto"))

    received = waist.operations.receive(alarm(tags={"no-auto-remediate": value}))

    assert received.verdict == verdict
    if verdict == "suggested":
        assert "the alarm has the tag no-auto-remediate" in waist.queries.suggestion(received.key).why


# -- access


PROD = {"environment": ("prod",)}
SIZED = """\
schemaVersion: "0.3"
parameters:
  environment: {type: String, default: prod}
mainSteps:
  - {name: hold, action: "aws:pause", inputs: {}}
"""


def sized(**fields: Any) -> Playbook:
    """A playbook whose environment may be chosen."""
    usual: dict[str, Any] = {"name": "sized", "runbook": SIZED, "parameters": {}, "trigger": None}
    return gate(**{**usual, **fields})


def with_rules(database: Database, clock: ManualClock, *found: Rule, **fields: Any) -> Waist:
    """A waist whose access is exactly these rules."""
    return Waist(database, clock, sized(), rules=GuardRules(Access(found, **fields)))


def test_values_decide_defaults_too(database: Database, clock: ManualClock) -> None:
    """What is not given is what the runbook says: leaving prod unsaid is still prod."""
    waist = with_rules(
        database, clock, Rule("one", ("responders",)), Rule("two", ("*",), effect="deny", parameters=PROD, ask="#dba")
    )

    waist.run("sized", environment="dev")
    for given in ({}, {"environment": "prod"}):
        with pytest.raises(NotAllowed, match=r"It is two that refuses it\. Please ask #dba\."):
            waist.operations.start(Order("sized", given), LEE)
    assert [entry.event.data["verb"] for entry in waist.trail("access.refused")] == ["run", "run"]
    assert len(waist.queries.executions()) == 1


def test_the_channel_counts(database: Database, clock: ManualClock) -> None:
    """Where it is said, not where the card goes."""
    waist = with_rules(database, clock, Rule("one", ("*",), channels=("C01",)))

    waist.operations.start(Order("sized", channel="C01"), LEE)
    with pytest.raises(NotAllowed):
        waist.operations.start(Order("sized", channel="C02"), LEE)
    with pytest.raises(NotAllowed):
        waist.operations.start(Order("sized"), LEE)


def test_stop_resume_and_see_are_rules(database: Database, clock: ManualClock) -> None:
    """Each verb is asked for itself; the starter is one who may be named."""
    waist = with_rules(
        database,
        clock,
        Rule("a", ("lee",), ("run",)),
        Rule("b", ("sam",), ("stop",)),
        Rule("c", ("starter",), ("resume",)),
    )
    execution_id = waist.run("sized")

    for verb in (waist.operations.stop, waist.operations.see):
        with pytest.raises(NotAllowed):
            verb(execution_id, STRANGER)
    with pytest.raises(NotAllowed):
        waist.operations.resume(execution_id, SAM)
    waist.operations.see(execution_id, SAM)
    waist.operations.resume(execution_id, LEE)
    waist.settle()


def test_who_may_approve_must_be_allowed_and_listed(database: Database, clock: ManualClock) -> None:
    """The rules and the list of approvers must both name the person."""
    waist = Waist(
        database, clock, gate(),
        rules=GuardRules(Access((Rule("a", ("lee",)), Rule("b", ("kim", "everybody"), ("approve",), effect="deny")))),
    )  # fmt: skip
    waist.run()

    with pytest.raises(NotAllowed, match="You may not decide about `gate`"):
        waist.operations.decide(waist.question().id, KIM, "Approve")
    assert waist.question().decisions == ()


def test_learning_lets_pass_and_notes(database: Database, clock: ManualClock) -> None:
    """The playbooks' lists count; what the new rules would refuse is in the trail."""
    found = gate()
    access = Access(implicit((found,), ()), tried=(Rule("one", ("sam",)),))
    waist = Waist(database, clock, found, rules=GuardRules(access))

    waist.run()

    noted = waist.trail("access.learned")
    assert {entry.event.actor.id for entry in noted} == {LEE.id}
    assert noted[0].event.data["reason"] == "You may not run `gate`."
    assert waist.trail("access.refused") == []


def test_learning_notes_an_override_too(database: Database, clock: ManualClock) -> None:
    """That it may start in a freeze is a wish of its own."""
    found = gate()
    access = Access(implicit((found,), ("kim",)), tried=(Rule("one", ("sam",)),))
    waist = Waist(database, clock, found, rules=GuardRules(access, freezes=(FREEZE,)))

    waist.operations.start(Order("gate", GIVEN, override="now"), KIM)

    assert waist.trail("access.learned")[-1].event.data["verb"] == "override"


def test_why_says_everything(database: Database, clock: ManualClock) -> None:
    """Each rule, and the pause, freeze and lock that would hold it back; asking leaves no trace."""
    waist = Waist(database, clock, gate(), rules=rules(gate(), admins=("kim",), freezes=(FREEZE,)), admins=("kim",))
    waist.operations.start(Order("gate", GIVEN, override="now"), KIM)
    waist.operations.guarding.pause(KIM, "")
    before = len(waist.trail())

    why = waist.operations.guarding.why(LEE, "gate", GIVEN, region="eu-west-1")

    assert why.decision.is_allowed
    assert [each.split()[0] for each in why.obstacles] == ["Everything", "The", INSTANCE]
    assert len(waist.trail()) == before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"Bogus": "1"}, 'gate has no parameter "Bogus". It takes InstanceId.'),
        ({"instanceid": "i-1"}, 'gate has no parameter "instanceid". Did you mean "InstanceId"? It takes InstanceId.'),
    ],
)
def test_why_answers_nothing_about_what_no_start_takes(
    database: Database, clock: ManualClock, given: dict[str, Json], says: str
) -> None:
    """Nobody may run a playbook with a parameter that it has not."""
    waist = Waist(database, clock, gate(), rules=rules(gate()))

    with pytest.raises(ParametersRefused) as refused:
        waist.operations.guarding.why(LEE, "gate", given)
    assert str(refused.value) == says


def test_a_refusal_tells_no_secret_of_the_playbook(database: Database, clock: ManualClock) -> None:
    """Neither whoever was refused nor the trail reads what the playbook fills in as a secret."""
    guarded = gate(secret=("InstanceId",))
    access = Access((Rule("r1", ("lee",), ("run",), parameters={"InstanceId": ("i-other",)}),))
    waist = Waist(database, clock, guarded, rules=GuardRules(access))

    with pytest.raises(NotAllowed) as refused:
        waist.operations.start(Order("gate", GIVEN), LEE)

    assert "InstanceId=***" in str(refused.value)
    assert INSTANCE not in str(refused.value) + str([entry.event for entry in waist.trail()])
