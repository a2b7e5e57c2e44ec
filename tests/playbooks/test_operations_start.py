"""People starting playbooks: who may, with what, where, and once."""

import contextlib
import threading
from typing import Any

import pytest

from engine.store import ExecutionStore
from infra.db import Database
from playbooks.operations import NotAllowed, Order, ParametersRefused, Refused, UnknownPlaybook
from playbooks.people import Identity
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import LEE, SAM, STRANGER, Waist, gate
from tests.playbooks.worlds import ASKING, INSTANCE, NAP, alarm, playbook

GIVEN = {"InstanceId": INSTANCE}


def test_a_person_starts_a_playbook(database: Database, clock: ManualClock) -> None:
    """The execution carries the person, the parameters, the bot's Region and account, and where its card goes."""
    waist = Waist(database, clock, gate(channel=""))

    execution_id = waist.operations.start(Order("gate", GIVEN, channel="C77"), LEE)

    state = waist.state(execution_id)
    assert (state.started_by.kind, state.started_by.id, state.started_by.name) == ("person", "person:lee", "Lee")
    assert state.parameters == {"InstanceId": INSTANCE, "Approvers": ["group:responders"], "Minimum": 1}
    assert (state.region, state.account, state.context["channel"]) == ("eu-west-1", "402715938824", "C77")
    assert waist.agenda.woken
    assert waist.agenda.woken[0][0] == execution_id


def test_a_stranger_may_not_and_it_is_noted(database: Database, clock: ManualClock) -> None:
    """Whoever is not on the list is refused in words; the trail knows who asked for what."""
    waist = Waist(database, clock, gate())

    with pytest.raises(NotAllowed, match="You may not run `gate`"):
        waist.operations.start(Order("gate", GIVEN), STRANGER)

    (noted,) = waist.trail()
    assert (noted.event.name, noted.event.actor.id) == ("access.refused", "slack:T01/U99WHO")
    assert noted.event.data["what"] == "run gate"


def test_who_may_run_by_everybody_excludes_guests(database: Database, clock: ManualClock) -> None:
    """`may_run: "*"` is every full member, and no guest."""
    waist = Waist(database, clock, gate(may_run=("*",)))
    guest = Identity("slack:T01/U50", "Guest", frozenset({"U50"}), is_full_member=False)

    assert waist.operations.start(Order("gate", GIVEN), STRANGER)
    with pytest.raises(NotAllowed):
        waist.operations.start(Order("gate", GIVEN), guest)


def test_an_admin_may_run_everything(database: Database, clock: ManualClock) -> None:
    """Admins of the settings need no entry in a playbook."""
    waist = Waist(database, clock, gate(may_run=()), admins=("U99WHO",))

    assert waist.operations.start(Order("gate", GIVEN), STRANGER)
    with pytest.raises(NotAllowed):
        waist.operations.start(Order("gate", GIVEN), LEE)


@pytest.mark.parametrize(("typed", "hint"), [("gaet", "Did you mean `gate`"), ("zzz", "`list` shows what there is")])
def test_an_unknown_name_gets_a_hint(database: Database, clock: ManualClock, typed: str, hint: str) -> None:
    """A typo is answered with what was probably meant."""
    waist = Waist(database, clock, gate())

    with pytest.raises(UnknownPlaybook, match=hint):
        waist.operations.start(Order(typed), LEE)


@pytest.mark.parametrize(
    ("parameters", "name", "says"),
    [
        ({}, "InstanceId", "Missing required"),
        ({"InstanceId": "web-1"}, "InstanceId", "InstanceId"),
        ({**GIVEN, "Size": "huge"}, "Size", "small"),
        ({**GIVEN, "Sice": "small"}, "Sice", "Size"),
    ],
)
def test_wrong_parameters_are_named(
    database: Database, clock: ManualClock, parameters: dict[str, Any], name: str, says: str
) -> None:
    """Each wrong value has a sentence under its parameter's name, for a form to show; nothing is saved."""
    waist = Waist(database, clock, gate(name="asking", runbook=ASKING))

    with pytest.raises(ParametersRefused) as refused:
        waist.operations.start(Order("asking", parameters), LEE)

    assert says in refused.value.problems[name]
    assert waist.trail() == []


@pytest.mark.parametrize("name", ["Approvers", "Minimum"])
def test_a_person_cannot_choose_who_approves(database: Database, clock: ManualClock, name: str) -> None:
    """What decides about approval is the playbook's, not the caller's."""
    waist = Waist(database, clock, gate())

    with pytest.raises(ParametersRefused) as refused:
        waist.operations.start(Order("gate", {**GIVEN, name: ["lee"] if name == "Approvers" else 1}), LEE)

    assert "set by the playbook" in refused.value.problems[name]


def test_a_person_cannot_choose_the_role(database: Database, clock: ManualClock) -> None:
    """The role in which the steps call AWS is not a caller's to give, even where the playbook leaves it open."""
    waist = Waist(database, clock, gate(name="asking", runbook=ASKING))
    role = "arn:aws:iam::402715938824:role/admin"

    with pytest.raises(ParametersRefused) as refused:
        waist.operations.start(Order("asking", {**GIVEN, "Role": role}), LEE)

    assert list(refused.value.problems) == ["Role"]


@pytest.mark.parametrize(
    ("allowed", "region", "is_fine"),
    [
        ((), "", True),
        ((), "eu-west-1", True),
        ((), "us-east-1", False),
        (("eu-west-1", "us-east-1"), "us-east-1", True),
        (("us-east-1",), "", False),
    ],
)
def test_only_listed_regions(
    database: Database, clock: ManualClock, allowed: tuple[str, ...], region: str, *, is_fine: bool
) -> None:
    """A Region outside the list is refused with the list."""
    waist = Waist(database, clock, gate(), regions=allowed)
    order = Order("gate", GIVEN, region=region)

    if is_fine:
        assert waist.state(waist.operations.start(order, LEE)).region == (region or "eu-west-1")
    else:
        with pytest.raises(Refused, match="is not one of"):
            waist.operations.start(order, LEE)


def test_the_same_request_starts_once(database: Database, clock: ManualClock) -> None:
    """A form that is delivered twice is one execution."""
    waist = Waist(database, clock, gate())
    order = Order("gate", GIVEN, request_key="form:V1")

    first = waist.operations.start(order, LEE)

    assert waist.operations.start(order, LEE) == first
    assert len(waist.trail("execution.started")) == 1


def test_the_same_request_at_the_same_moment_starts_once(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two deliveries that both found nothing yet: both are answered with the one execution."""
    waist = Waist(database, clock, gate())
    both_looked = threading.Barrier(2, timeout=0.3)
    look = ExecutionStore.by_request_key

    def look_together(self: ExecutionStore, tx: Any, key: str) -> str | None:
        found = look(self, tx, key)
        with contextlib.suppress(threading.BrokenBarrierError):
            both_looked.wait()
        return found

    monkeypatch.setattr(ExecutionStore, "by_request_key", look_together)
    answers: list[str] = []
    order = Order("gate", GIVEN, request_key="form:V1")
    deliveries = [threading.Thread(target=lambda: answers.append(waist.operations.start(order, LEE))) for _ in range(2)]
    for delivery in deliveries:
        delivery.start()
    for delivery in deliveries:
        delivery.join()

    assert len(answers) == 2
    assert len(set(answers)) == 1
    assert len(waist.trail("execution.started")) == 1


def test_another_request_starts_another(database: Database, clock: ManualClock) -> None:
    """Without a key every wish is its own."""
    waist = Waist(database, clock, gate(lock=()))

    assert waist.operations.start(Order("gate", GIVEN), LEE) != waist.operations.start(Order("gate", GIVEN), LEE)


def test_answering_a_suggestion_takes_the_alarms_values(database: Database, clock: ManualClock) -> None:
    """The alarm fills what the person does not give; its suggestion knows what was started from it."""
    waist = Waist(database, clock, gate(start="suggest"), regions=("us-east-1",))
    suggestion = waist.operations.receive(alarm(account="111122223333")).key

    execution_id = waist.operations.start(Order("gate", suggestion_id=suggestion), SAM)

    state = waist.state(execution_id)
    assert (state.parameters["InstanceId"], state.region, state.account) == (INSTANCE, "eu-west-1", "111122223333")
    assert waist.queries.suggestion(suggestion).started == (execution_id,)
    assert waist.facts(execution_id).alarm is not None


def test_a_suggestion_cannot_be_led_elsewhere(database: Database, clock: ManualClock) -> None:
    """The alarm's own Region or a listed one, and no other."""
    waist = Waist(database, clock, gate(start="suggest"))
    suggestion = waist.operations.receive(alarm()).key

    with pytest.raises(Refused, match="us-west-2"):
        waist.operations.start(Order("gate", suggestion_id=suggestion, region="us-west-2"), SAM)


def test_a_suggestion_that_lacks_something_can_be_completed(database: Database, clock: ManualClock) -> None:
    """What the alarm does not have a person gives; without it the refusal says what is missing."""
    waist = Waist(database, clock, gate(start="suggest"))
    suggestion = waist.operations.receive(alarm(metrics=())).key

    with pytest.raises(Refused, match="InstanceId"):
        waist.operations.start(Order("gate", suggestion_id=suggestion), SAM)
    assert waist.operations.start(Order("gate", GIVEN, suggestion_id=suggestion), SAM)


def test_a_playbook_without_an_alarm_wants_what_it_would_give(database: Database, clock: ManualClock) -> None:
    """Started by hand, parameters that come from alarms are the person's to give."""
    waist = Waist(database, clock, gate())

    with pytest.raises(ParametersRefused) as refused:
        waist.operations.start(Order("gate"), LEE)

    assert list(refused.value.problems) == ["InstanceId"]


def test_a_playbook_without_parameters_just_starts(database: Database, clock: ManualClock) -> None:
    """Nothing to give, nothing asked."""
    nap = playbook(runbook=NAP.replace("  InstanceId: {type: String}\n", "").replace("parameters:\n", ""))
    waist = Waist(database, clock, gate(name="plain", runbook=nap.runbook.text, parameters={}, approvers=()))

    execution_id = waist.run("plain")
    waist.later(seconds=1)

    assert waist.facts(execution_id).status == "Success"
