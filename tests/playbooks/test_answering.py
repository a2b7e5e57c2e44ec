"""Who may answer a question, and who never may, when not everything about them is known."""

from datetime import timedelta

import pytest

from approvals.request import ApprovalRequest
from infra.oncall import RotaUnanswered
from playbooks.answering import Answering
from playbooks.oncall import AskedRota, NamedRota, OnCall, Rota, TurnRota
from playbooks.people import Directory, Identity, Person
from tests.approvals.strategies import KIM, request
from tests.fakes.clock import NIGHT, ManualClock

DIRECTORY = Directory(
    (Person("lee", slack="U01LEE", terminal="lee"), Person("sam", slack="U02SAM", terminal="sam")),
    groups={"security": ("S0SEC",)},
)
LEE = DIRECTORY.slack("T01", "U01LEE", groups=("S0SEC",))
SAM = DIRECTORY.slack("T01", "U02SAM")


def barring(*entries: str) -> ApprovalRequest:
    """A question that Lee and Sam may answer, but for these."""
    barred = tuple((each, "You are barred.") for each in entries)
    return request(approver_lists=(("lee", "sam"),), barred=barred, requested_by=KIM)


def silent() -> tuple[str, ...]:
    """The service does not answer."""
    raise RotaUnanswered("away")


@pytest.mark.parametrize(
    ("rota", "by", "bar"),
    [
        (TurnRota(("lee",), NIGHT, timedelta(days=7)), LEE, "You are barred."),
        (TurnRota(("lee",), NIGHT, timedelta(days=7)), SAM, ""),
        (TurnRota(("lee",), NIGHT + timedelta(days=1), timedelta(days=7)), LEE, ""),
        (NamedRota(("S0SEC",)), LEE, "You are barred."),
        (NamedRota(("S0SEC",)), SAM, ""),
        (AskedRota(silent), SAM, "not known here whether you are in oncall:first"),
    ],
)
def test_whoever_is_on_call_may_be_barred(clock: ManualClock, rota: Rota, by: Identity, bar: str) -> None:
    """`never: [oncall:first]` is whoever is on call now; while nobody can say who that is, nobody is let by."""
    on_call = OnCall({"first": rota}, clock)
    on_call.refresh(("oncall:first",))

    found = Answering(DIRECTORY, on_call).standing(barring("oncall:first"), by).bar

    assert bar in found
    assert bool(found) == bool(bar)


@pytest.mark.parametrize("entry", ["S0SEC", "group:security"])
def test_who_is_in_a_user_group_is_known_in_slack_only(entry: str) -> None:
    """Its members are barred; at another door, where nobody knows them, everybody is, and is told where to answer."""
    answering = Answering(DIRECTORY)

    assert answering.standing(barring(entry), LEE).bar == "You are barred."
    assert answering.standing(barring(entry), SAM).bar == ""
    for login in ("lee", "sam"):
        assert "Answer in Slack" in answering.standing(barring(entry), DIRECTORY.terminal(login)).bar
