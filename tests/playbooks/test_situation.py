"""Whether it is still needed: looked at when people are asked, and again at the click."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from engine.actions import BY_NAME
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.db import Database
from playbooks.answering import Answering
from playbooks.deciding import Deciding
from playbooks.expiry import Expiry
from playbooks.lookout import Lookout
from playbooks.refusals import NotAllowed, SituationChanged
from playbooks.situation import OtherRun, Situation, from_kept
from tests.fakes.aws import QuietAws
from tests.fakes.clock import NIGHT, ManualClock
from tests.playbooks.waist import DIRECTORY, KIM, LEE, SAM, STRANGER, Waist, gate
from tests.playbooks.worlds import INSTANCE, alarm


@dataclass
class Fleet(QuietAws):
    """An AWS in which one instance has a state, or which does not answer."""

    state: str = "running"
    is_away: bool = False
    is_gone: bool = False

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """Describe the instance."""
        self.asked.append((operation, params))
        if self.is_away:
            raise AwsUnreachable("ec2", "DescribeInstances", "away")
        if self.is_gone:
            raise AwsRefused("InvalidInstanceID.NotFound", f"The instance ID '{INSTANCE}' does not exist")
        if operation != "DescribeInstances":
            return {}
        tags = [{"Key": "Name", "Value": "web-1"}, {"Key": "Owner", "Value": "payments"}]
        instance = {"InstanceId": INSTANCE, "State": {"Name": self.state}, "Tags": tags}
        return {"Reservations": [{"Instances": [instance]}]}


def looking(database: Database, clock: ManualClock, fleet: Any) -> Waist:
    """The waist with somebody who looks."""
    waist = Waist(database, clock, gate(start="auto"))
    lookout = Lookout(database, waist.store, waist.alarms, waist.shelf, lambda _: fleet, BY_NAME, clock)
    waist.reactions.asking.__dict__["looks"] = True
    waist.operations._deciding = Deciding(
        database, waist.audit, waist.approvals, waist.reactions.asking, Answering(DIRECTORY), clock,
        tell=waist.reactions.tell, lookout=lookout,
    )  # fmt: skip
    return waist


def tend(waist: Waist) -> None:
    """What is due about questions is done."""
    Expiry(waist.db, waist.approvals, waist.operations.expire, waist.clock).pump()
    waist.settle()


def asked(waist: Waist) -> str:
    """An alarm has started it, people are asked, and somebody has looked."""
    waist.operations.receive(alarm(changed_at=waist.clock() - timedelta(minutes=10)))
    waist.settle()
    tend(waist)
    return waist.question().id


def fleet_of() -> Fleet:
    """The instance runs."""
    return Fleet("eu-west-1", "402715938824", "aws")


def test_nothing_new_nothing_asked(database: Database, clock: ManualClock) -> None:
    """The alarm is red, the instance runs: one click decides."""
    waist = looking(database, clock, fleet_of())
    request_id = asked(waist)
    assert waist.question().situation == ()
    assert waist.question().painted

    waist.operations.decide(request_id, SAM, "Approve", seen=waist.question().painted)

    assert waist.queries.open_approvals() == []


def test_the_resource_is_called_by_its_name(database: Database, clock: ManualClock) -> None:
    """Who is asked reads what people call it, and whose it is; it stays so when the question is closed."""
    waist = looking(database, clock, fleet_of())
    request_id = asked(waist)
    waist.operations.decide(request_id, SAM, "Approve", seen=waist.question().painted)

    assert waist.queries.approval(request_id).called == {INSTANCE: "web-1, of payments"}


def test_a_recovered_alarm_is_said_before_anything_is_decided(database: Database, clock: ManualClock) -> None:
    """Nothing is decided until the person has seen it; then their click counts."""
    waist = looking(database, clock, fleet_of())
    request_id = asked(waist)
    painted = waist.question().painted
    waist.operations.receive(alarm(state="OK", changed_at=clock() - timedelta(seconds=40)))
    waist.settle()

    with pytest.raises(SituationChanged) as changed:
        waist.operations.decide(request_id, SAM, "Approve", seen=painted)
    assert changed.value.news == ("the alarm recovered 40 s ago",)
    assert waist.question().decisions == ()
    assert "recovered" in waist.question().situation[0]

    waist.operations.decide(request_id, SAM, "Approve", seen=changed.value.mark)
    assert waist.queries.open_approvals() == []


def test_a_stopped_instance_is_said(database: Database, clock: ManualClock) -> None:
    """What AWS says of the resource at the click is compared with what the card said."""
    fleet = fleet_of()
    waist = looking(database, clock, fleet)
    request_id = asked(waist)
    fleet.state = "stopped"

    with pytest.raises(SituationChanged, match=f"{INSTANCE} is stopped"):
        waist.operations.decide(request_id, SAM, "Approve")


def test_what_somebody_did_to_it_before_is_said(database: Database, clock: ManualClock) -> None:
    """Another run on the same resource that ended lately stands on the question; one of long ago does not."""
    waist = looking(database, clock, fleet_of())
    for minutes in (120, 3):
        other = waist.run(by=LEE, InstanceId=INSTANCE)
        waist.operations.stop(other, LEE)
        waist.settle()
        clock.advance(timedelta(minutes=minutes))
    asked(waist)

    (said,) = waist.question().situation
    assert f"by Lee ended at {clock() - timedelta(minutes=3):%H:%M} UTC: Cancelled ({other[:8]})" in said


def test_a_rejection_and_a_stranger_are_not_held_up(database: Database, clock: ManualClock) -> None:
    """Calling it off needs no second look, and whoever may not decide learns nothing of the situation."""
    fleet = fleet_of()
    waist = looking(database, clock, fleet)
    request_id = asked(waist)
    fleet.state = "stopped"

    with pytest.raises(NotAllowed):
        waist.operations.decide(request_id, STRANGER, "Approve")
    waist.operations.decide(request_id, KIM, "Reject")
    assert waist.queries.open_approvals() == []


@pytest.mark.parametrize("is_away_when", ["always", "asked", "clicked"])
def test_an_aws_that_is_away_holds_nobody_up(database: Database, clock: ManualClock, is_away_when: str) -> None:
    """Before the question, at the click, or both: that nobody could look is no news, but the question says it."""
    fleet = fleet_of()
    fleet.is_away = is_away_when != "clicked"
    waist = looking(database, clock, fleet)
    request_id = asked(waist)
    gap = (f"AWS does not say how {INSTANCE} is now",)
    assert waist.question().situation == (() if is_away_when == "clicked" else gap)
    fleet.is_away = is_away_when != "asked"

    waist.operations.decide(request_id, SAM, "Approve", seen=waist.question().painted)

    assert waist.queries.open_approvals() == []
    assert waist.queries.approval(request_id).situation == gap


def test_what_is_news_is_news_though_aws_is_away(database: Database, clock: ManualClock) -> None:
    """The alarm has recovered by our own rows; what AWS said before stays, and so does what would be lost."""
    fleet = fleet_of()
    fleet.state = "stopped"
    waist = looking(database, clock, fleet)
    request_id = asked(waist)
    painted = waist.question().painted
    waist.operations.receive(alarm(state="OK", changed_at=clock() - timedelta(seconds=40)))
    waist.settle()
    fleet.is_away = True

    with pytest.raises(SituationChanged) as changed:
        waist.operations.decide(request_id, SAM, "Approve", seen=painted)
    assert changed.value.news == ("the alarm recovered 40 s ago", f"AWS does not say how {INSTANCE} is now")
    assert f"{INSTANCE} is stopped" in waist.question().situation

    fleet.is_away = False
    waist.operations.decide(request_id, SAM, "Approve", seen=changed.value.mark)
    assert waist.queries.open_approvals() == []


def test_an_instance_that_is_gone_is_news(database: Database, clock: ManualClock) -> None:
    """AWS refuses to describe what is not there: that is an answer."""
    fleet = fleet_of()
    waist = looking(database, clock, fleet)
    request_id = asked(waist)
    fleet.is_gone = True

    with pytest.raises(SituationChanged, match=f"{INSTANCE} is not there any more"):
        waist.operations.decide(request_id, SAM, "Approve")


def test_what_would_be_lost_stays_on_the_question() -> None:
    """A quick look does not work it out again."""
    before = Situation("ALARM", states={"i-1": "running"}, consequences=("lost: i-1: memory",))

    assert Situation("OK", states={"i-1": "stopped"}).beside(before).consequences == ("lost: i-1: memory",)


def test_a_situation_survives_the_row() -> None:
    """As it is kept, so it comes back."""
    run = OtherRun("e1", "Reboot", "Lee", "Success", NIGHT.isoformat())
    found = Situation("OK", NIGHT.isoformat(), {"i-1": "stopped"}, (run,), ("lost: i-1: memory",), ())

    assert from_kept(found.kept()) == found
    assert from_kept(None) is None
    assert found.words() == (
        f"the alarm recovered at {NIGHT:%H:%M} UTC",
        "i-1 is stopped",
        f"Reboot by Lee ended at {NIGHT:%H:%M} UTC: Success (e1)",
    )


def test_looking_is_only_looking(database: Database, clock: ManualClock) -> None:
    """Every call of it is a question."""
    fleet = fleet_of()
    waist = looking(database, clock, fleet)
    waist.operations.decide(asked(waist), SAM, "Approve")

    assert fleet.asked
    assert all(name.startswith("Describe") for name, _ in fleet.asked)
