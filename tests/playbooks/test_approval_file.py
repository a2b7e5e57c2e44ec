"""The key `approval` of a playbook's file: what it means, and what is refused with its place."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from approvals.request import ApproverGroup
from infra.db import Database
from playbooks.approval_policy import Handover
from playbooks.operations import NotAllowed
from playbooks.playbook import Playbook
from playbooks.refusals import InvalidLibrary
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import KIM, SAM, Waist
from tests.playbooks.worlds import ASKING, INSTANCE, catalog, folder

HEAD = """\
title: Ask
parameters: {Approvers: ["{{ playbook.approvers }}"]}
"""
FULL = """\
approval:
  groups:
    - {name: SRE, of: [lee, sam]}
    - {name: Security, of: kim, minimum: 1}
  expires_in: 1h
  at_expiry: silence means approval
  remind_every: 10m
  escalate: {after: 15m, to: [max], group: Security}
  never: [runbook_editor, eve]
  reject_needs_reason: true
  rejection: quorum
  may_delegate_to: [ann]
  steps:
    ask: {groups: {of: [boss]}, expires_in: 5m}
break_glass: [lee]
edited_by: [sam@example.org]
"""


def loaded(tmp_path: Path, text: str) -> Playbook:
    """The playbook of a file."""
    (found,) = catalog(folder(tmp_path, "ask", HEAD + text, ASKING)).all
    return found


def test_every_key_means_something(tmp_path: Path) -> None:
    """A step with a policy of its own has it; the others have the playbook's."""
    playbook = loaded(tmp_path, FULL)
    usual, own = playbook.policy_of("another"), playbook.policy_of("ask")

    assert usual.groups == (ApproverGroup(("lee", "sam"), 1, "SRE"), ApproverGroup(("kim",), 1, "Security"))
    assert usual.handovers == (Handover(timedelta(minutes=15), ("max",), 1),)
    assert (usual.at_expiry, usual.rejection, usual.needs_reason) == ("approve", "quorum", True)
    assert (usual.never, usual.delegates, usual.breakers) == (("runbook_editor", "eve"), ("ann",), ("lee",))
    assert (own.groups, own.expires_in, own.at_expiry) == ((ApproverGroup(("boss",)),), timedelta(minutes=5), "reject")
    assert playbook.approvers == ("lee", "sam", "kim", "max", "ann", "boss")
    assert "sam@example.org" in playbook.edited_by


def test_the_plain_keys_still_say_it_all(tmp_path: Path) -> None:
    """Without `approval` nothing has changed."""
    policy = loaded(tmp_path, "approvers: [lee]\nminimum_approvals: 2\napproval_expires_in: 30m\n").policy_of("ask")

    assert (policy.groups, policy.minimum, policy.expires_in) == ((), 2, timedelta(minutes=30))
    assert (policy.may_approve_own, policy.at_expiry, policy.rejection) == (False, "reject", "first")


def test_plain_approvers_are_the_one_group(tmp_path: Path) -> None:
    """`approvers` beside `approval` without groups."""
    policy = loaded(tmp_path, "approvers: [lee, sam]\napproval: {remind_every: 5m}\n").policy_of("ask")

    assert policy.groups == (ApproverGroup(("lee", "sam")),)


def test_who_is_asked_later_can_answer_beside_plain_approvers(
    tmp_path: Path, database: Database, clock: ManualClock
) -> None:
    """The runbook's list takes those of `escalate`, too: not before their time, and then they count."""
    text = "may_run: [kim]\napprovers: [lee]\napproval: {expires_in: 1h, escalate: {after: 10m, to: [sam]}}\n"
    waist = Waist(database, clock, loaded(tmp_path, text))
    execution_id = waist.run("ask", KIM, InstanceId=INSTANCE)
    request_id = waist.question().id
    with pytest.raises(NotAllowed):
        waist.operations.decide(request_id, SAM, "Approve")
    clock.advance(timedelta(minutes=10))
    waist.operations.expire(request_id)
    waist.operations.decide(request_id, SAM, "Approve")
    waist.settle()

    assert waist.facts(execution_id).status == "Success"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("approval: {groups: {of: [lee]}, steps: {gone: {groups: {of: [lee]}}}}", '"gone" is no aws:approve step'),
        ("approval: {groups: {of: [a, b, c, d, e, f, g, h, i, j, k]}}", "11 names may approve; aws:approve takes 10"),
        ("approvers: [lee]\napproval: {groups: {name: SRE, of: [lee]}}", "keep one of them"),
        ("approval: {groups: {of: [lee]}, at_expiry: silence means approval}", "without an end: give expires_in"),
        ("approval: {groups: {of: [lee]}, at_expiry: approve}", 'in these words "silence means approval"'),
        ("approval: {groups: [{of: [lee]}, {of: [sam]}]}", "several groups need a name each"),
        ("approval: {groups: {name: A, of: [lee]}, escalate: {after: 1m, to: [sam], group: B}}", "none of the groups"),
        ("approval: {groups: {of: [lee]}, expires_in: 5m, escalate: {after: 6m, to: [sam]}}", "after the question"),
        ("approval: {groups: {of: [lee]}, remind_every: 5s}", "a duration of at least a minute"),
        ("approval: {groups: {of: [lee]}, expires_in: 31d}", "at most 30 days"),
        ("approval: {groups: {of: [lee], minimum: 0}}", "a number from 1 to 10"),
        ("approval: {groups: {of: [lee]}, rejection: never}", "first (one rejection ends it) or quorum"),
        ("approval: {groups: {of: [lee]}, escalation: {}}", "escalat"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    """File, line and column, and what would be right."""
    with pytest.raises(InvalidLibrary) as refused:
        loaded(tmp_path, text + "\n")

    found: list[Any] = [str(problem) for problem in refused.value.problems]
    assert any(says in each for each in found), found
    assert all("playbook.yaml:" in each for each in found)
