"""Who may answer a question, and who never may, when not everything about them is known."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from approvals.request import ApprovalRequest, ApproverGroup, Delegation
from audit.events import Actor
from infra.oncall import RotaUnanswered
from playbooks.answering import Answering
from playbooks.oncall import AskedRota, NamedRota, OnCall, Rota, TurnRota
from playbooks.people import Directory, Identity, Person
from tests.approvals.strategies import KIM, NOON, request
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


NOBODY = "Nobody is on the list of approvers, so nobody can answer this."
KEPT_OUT = "Whoever is on the list of approvers asked for this or never may, so nobody can approve it."
ONLY = "Only 1 could approve this, and it takes 2."
FEW = "Too few could approve this, nobody for two groups: {} lacks 1."
LEE_ASKS = Actor("person", "person:lee", "Lee")


def groups(*members: str, minimum: int = 1) -> tuple[ApproverGroup, ...]:
    """Groups A, B, … of these members each."""
    titles = "AB"
    return tuple(ApproverGroup(tuple(each.split()), minimum, titles[number]) for number, each in enumerate(members))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, ""),
        ({"approver_lists": ((),)}, NOBODY),
        ({"approver_lists": (("group:void",),)}, NOBODY),
        ({"approver_lists": (("lee",),)}, KEPT_OUT),
        ({"approver_lists": (("U01LEE",),)}, KEPT_OUT),
        ({"approver_lists": (("lee",),), "may_approve_own": True}, ""),
        ({"barred": (("U02SAM", "x"),)}, KEPT_OUT),
        ({"barred": (("oncall:sams", "x"),)}, KEPT_OUT),
        ({"minimum": 2}, ONLY),
        ({"minimum": 2, "approver_lists": (("lee", "sam", "S0SEC"),)}, ""),
        ({"minimum": 2, "approver_lists": (("sam", "U02SAM", "terminal:sam"),)}, ONLY),
        ({"approver_lists": (("*",), ("sam",))}, ""),
        ({"approver_lists": (("S0EMPTY",),)}, NOBODY),
        ({"approver_lists": (("S0LEES",),)}, KEPT_OUT),
        ({"minimum": 2, "approver_lists": (("S0LEES", "sam"),)}, ONLY),
        ({"groups": groups("sam", "S0EMPTY")}, "Nobody is in B, so nobody can answer this."),
        ({"groups": groups("sam", "group:void")}, "Nobody is in B, so nobody can answer this."),
        ({"groups": groups("sam", "lee")}, "Whoever is in B asked for this or never may, so nobody can approve it."),
        ({"groups": groups("sam", "lee sam")}, FEW.format("B")),
        ({"groups": groups("sam", "lee max")}, ""),
        ({"groups": groups("sam max", minimum=2)}, ""),
        ({"groups": groups("lee max", minimum=2)}, FEW.format("A")),
        ({"delegations": (Delegation(Actor("person", "person:sam"), LEE_ASKS, NOON),)}, KEPT_OUT),
    ],
)
def test_a_question_that_cannot_be_approved_says_so_at_once(
    clock: ManualClock, fields: dict[str, Any], problem: str
) -> None:
    """Nobody is listed, or only who started it and who never may, or too few people for the seats of every group."""
    on_call = OnCall({"sams": NamedRota(("sam",))}, clock)
    usual: dict[str, Any] = {"approver_lists": (("lee", "sam"),), "requested_by": LEE_ASKS}
    if "groups" in fields:
        usual["approver_lists"] = (("lee", "sam", "max"),)

    members: dict[str, tuple[str, ...]] = {"S0EMPTY": (), "S0LEES": ("U01LEE",)}
    assert Answering(DIRECTORY, on_call, members=members.get).problem(request(**{**usual, **fields})) == problem


@pytest.mark.parametrize(
    ("started_by", "lists", "approvers", "objectors"),
    [
        ("person:lee", (("lee", "sam"),), ("sam",), ("person:lee",)),
        ("slack:T01/U01LEE", (("U01LEE", "sam"),), ("sam",), ("person:lee",)),
        ("slack:T01/U09ANN", (("U09ANN", "sam"),), ("sam",), ("U09ANN",)),
        ("person:lee", (("S0SEC", "sam"),), ("S0SEC", "sam"), ("person:lee",)),
        ("person:max", (("lee", "sam"),), ("lee", "sam"), ()),
    ],
)
def test_whoever_started_it_is_not_among_those_who_may_approve(
    started_by: str, lists: tuple[tuple[str, ...], ...], approvers: tuple[str, ...], objectors: tuple[str, ...]
) -> None:
    """By any spelling, and in a user group whose members are known; all that they can do is reject."""
    asked = request(approver_lists=lists, requested_by=Actor("person", started_by))
    answering = Answering(DIRECTORY, members=lambda group: ("U01LEE", "U08BO") if group == "S0SEC" else None)

    assert answering.approvers(asked) == approvers
    assert answering.objectors(asked) == objectors
    own = replace(asked, may_approve_own=True)
    assert (len(answering.approvers(own)), answering.objectors(own)) == (2, ())


def test_who_is_barred_through_a_group_is_not_among_those_who_may_approve() -> None:
    """`never: [group:owners]` leaves out each of its members, who may still reject."""
    answering = Answering(replace(DIRECTORY, groups={"owners": ("lee",)}))

    assert answering.approvers(barring("group:owners")) == ("sam",)
    assert answering.objectors(barring("group:owners")) == ("person:lee",)
