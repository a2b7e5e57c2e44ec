"""Who could answer a playbook's questions: lists, groups and people are opened as the bot opens them."""

from datetime import timedelta
from typing import Any

import pytest

from approvals.request import ApproverGroup
from playbooks.answerers import World, entries, problems
from playbooks.approval_policy import ApprovalPolicy, Handover, StepPolicies
from playbooks.people import Directory, Person
from playbooks.playbook import Playbook
from tests.playbooks.worlds import ASKING, NAP, playbook

LEE = Person("lee", slack="U0LEE", iam=("arn:aws:iam::123456789012:user/lee",))
SAM = Person("sam", slack="U0SAM")
BARE = Person("bare")
KIM = Person("kim", further_slack=("T0ONE/U0KIM", "T0TWO/U0KIM"))
GROUPS = {"responders": ("lee", "U0SAM"), "empty": ()}
TWO = ASKING.replace('["{{ Approvers }}"]', '["{{ Approvers }}"], MinRequiredApprovals: 2')
LITERAL = ASKING.replace('["{{ Approvers }}"]', "[U0LEE]")


def asking(*approvers: str, runbook: str = ASKING, **fields: Any) -> Playbook:
    """A playbook whose question goes to its own approvers."""
    parameters = {"Approvers": ["{{ playbook.approvers }}"]}
    return playbook(runbook=runbook, name="ask", parameters=parameters, approvers=approvers, **fields)


def found(one: Playbook, **slack: object) -> list[str]:
    """What is wrong, with the people of this file."""
    world = World(Directory((LEE, SAM, BARE, KIM), GROUPS), **slack)  # type: ignore[arg-type]
    return list(problems(one, world))


@pytest.mark.parametrize(
    "approvers",
    [
        ["U0ANYBODY"],
        ["lee"],
        ["person:sam"],
        ["group:responders"],
        ["*"],
        ["S0UNKNOWN"],
        [LEE.iam[0]],
        ["bare", "U0SAM"],
    ],
)
def test_somebody_may_answer(approvers: list[str]) -> None:
    """One who can is enough; where only Slack could tell, nothing is claimed."""
    assert found(asking(*approvers)) == []


@pytest.mark.parametrize(
    ("approvers", "why"),
    [
        ([], "no approvers are listed"),
        (["group:nowhere"], "group:nowhere is not in groups"),
        (["group:empty"], "nobody is on every list: group:empty / group:empty"),
        (["max"], '"max" is not in people'),
        (["bare"], "bare has no account: give slack, iam or terminal"),
        (["U0LEFT"], "U0LEFT is deactivated"),
        (["sam"], "sam's Slack user U0SAM is a bot"),
        (
            ["kim"],
            "kim's Slack user T0ONE/U0KIM is deactivated; kim's Slack user T0TWO/U0KIM is deactivated",
        ),
    ],
)
def test_nobody_may_answer(approvers: list[str], why: str) -> None:
    """The step and the reason."""
    left = dict.fromkeys(("U0LEFT", "T0ONE/U0KIM", "T0TWO/U0KIM"), "is deactivated")
    gone = {**left, "U0SAM": "is a bot"}

    assert found(asking(*approvers), gone=gone) == [f"nobody can approve at step ask: {why}"]


def test_one_account_that_is_there_is_enough() -> None:
    """Deactivated in one workspace, a person may answer from the other."""
    assert found(asking("kim"), gone={"T0ONE/U0KIM": "is deactivated"}) == []


def test_too_few_may_answer() -> None:
    """Two accounts of one person are one; a group of Slack counts by its members."""
    assert found(asking("U0LEE", LEE.iam[0], runbook=TWO)) == ["step ask needs 2 approvals, only 1 may give one"]
    assert found(asking("S0OPS", minimum_approvals=3), members={"S0OPS": frozenset({"U0LEE", "U0SAM"})}) == [
        "step ask needs 3 approvals, only 2 may give one"
    ]
    assert found(asking("lee", "sam", runbook=TWO)) == []


def test_the_lists_of_playbook_and_runbook_must_meet() -> None:
    """Whoever answers must be on both."""
    assert found(asking("lee", runbook=LITERAL)) == []
    assert found(asking("sam", runbook=LITERAL)) == [
        "nobody can approve at step ask: nobody is on every list: U0LEE / sam"
    ]


def test_what_only_the_execution_will_tell_is_left_open() -> None:
    """A list that an alarm or a person brings is not judged; the playbook's own still is."""
    parameters = {"Approvers": ["{{ alarm.tags.owner }}"]}

    assert found(playbook(runbook=ASKING, parameters=parameters, approvers=("lee",))) == []
    assert found(playbook(runbook=ASKING, parameters=parameters, approvers=("max",))) == [
        'nobody can approve at step ask: "max" is not in people'
    ]


def test_a_runbook_that_asks_nobody_needs_nobody() -> None:
    """No question, no list."""
    assert found(playbook(runbook=NAP)) == []


def test_every_list_of_a_playbook_is_known() -> None:
    """Those who run, answer, are handed it or asked later, or never may, usually and at one step."""
    usual = ApprovalPolicy(
        (ApproverGroup(("S0USUAL",)),),
        never=("S0NEVER",),
        delegates=("S0HEIRS",),
        handovers=(Handover(timedelta(minutes=5), ("S0LATER",)),),
    )
    step = ApprovalPolicy((ApproverGroup(("S0STEP",)),), never=("S0BARRED",))
    one = asking(
        "S0OWN",
        runbook=LITERAL.replace("U0LEE", "S0RUNBOOK"),
        may_run=("S0RUN",),
        break_glass=("S0GLASS",),
        approval=StepPolicies(usual, {"ask": step}),
    )

    wanted = "OWN RUN GLASS USUAL NEVER HEIRS LATER STEP BARRED RUNBOOK"
    assert {f"S0{each}" for each in wanted.split()} <= set(entries(one))
