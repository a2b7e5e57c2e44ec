"""Questions of child runbooks: the playbook that started all of it says who must agree, however deep they are."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from approvals.request import ApproverGroup
from engine.document import Document
from engine.validation import parse
from infra.db import Database
from playbooks.access import Access, Rule
from playbooks.approval_policy import ALARM_OWNER, ApprovalPolicy, StepPolicies
from playbooks.guards import GuardRules
from playbooks.operations import InvalidLibrary, NotAllowed
from playbooks.people import actor_of
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import KIM, LEE, SAM, STRANGER, Waist, gate
from tests.playbooks.worlds import alarm, catalog, folder

LEAF = """\
schemaVersion: "0.3"
mainSteps:
  - name: ask
    action: aws:approve
    inputs: {Approvers: [lee, sam, kim, U99WHO], Message: Go on?}
"""


def calling(name: str) -> str:
    """A runbook that only runs another one."""
    return f"""\
schemaVersion: "0.3"
parameters:
  InstanceId: {{type: String, default: i-0b7d1c44e9f2a6d35}}
mainSteps:
  - {{name: ask, action: "aws:executeAutomation", inputs: {{DocumentName: {name}}}}}
"""


class Folder:
    """Runbooks by name."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.documents = {name: parse(text, name=name) for name, text in texts.items()}

    def find(self, name: str, version: str) -> Document:
        """One of them. Raises LookupError."""
        return self.documents[name]


def nested(database: Database, clock: ManualClock, *, depth: int = 2, **fields: Any) -> Waist:
    """A playbook whose question is asked `depth` levels below it."""
    texts = {f"level{number}": calling(f"level{number + 1}") for number in range(1, depth)}
    folder = Folder({**texts, f"level{depth}": LEAF})
    rules = fields.pop("rules", None)
    found = gate(runbook=calling("level1"), parameters={}, lock=(), **fields)
    return Waist(database, clock, found, documents=folder, rules=rules)


def question_of(waist: Waist, **parameters: Any) -> str:
    """Start it, and wait for the question; its id."""
    waist.run(**parameters)
    return waist.question().id


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_playbook_says_who_answers_its_childrens_questions(
    database: Database, clock: ManualClock, depth: int
) -> None:
    """Whoever the runbook's own list names besides may not: both lists hold, as for the playbook's own steps."""
    waist = nested(database, clock, depth=depth, approvers=("sam", "kim"))
    request_id = question_of(waist)

    assert waist.question().approvers == ("<@U02SAM>", "<@U03KIM>")
    with pytest.raises(NotAllowed):
        waist.operations.decide(request_id, STRANGER, "Approve")
    waist.operations.decide(request_id, SAM, "Approve")
    waist.settle()
    (top,) = waist.queries.executions()
    assert top.status == "Success"


def test_who_started_the_parent_is_who_asked(database: Database, clock: ManualClock) -> None:
    """Nobody approves their own run by having it ask from further down."""
    waist = nested(database, clock, approvers=("lee", "sam"))
    request_id = question_of(waist)

    with pytest.raises(NotAllowed, match="You started this"):
        waist.operations.decide(request_id, LEE, "Approve")
    assert waist.question().playbook == "gate"


def test_the_playbooks_groups_expiry_and_bars_hold_below_it(database: Database, clock: ManualClock) -> None:
    """Groups, an expiry, a reason for a rejection and the alarm's owner: all of the policy, not only its list."""
    policy = ApprovalPolicy(
        groups=(ApproverGroup(("lee", "sam"), 1, "SRE"), ApproverGroup(("kim",), 1, "Security")),
        expires_in=timedelta(minutes=20),
        needs_reason=True,
        never=(ALARM_OWNER,),
    )
    waist = nested(database, clock, start="auto", approvers=("lee", "sam", "kim"), approval=StepPolicies(policy))
    waist.operations.receive(alarm(tags={"owner": "sam"}))
    waist.settle()
    request = waist.question()

    assert [group.title for group in request.groups] == ["SRE", "Security"]
    assert request.expires_at == clock() + timedelta(minutes=20)
    with pytest.raises(NotAllowed, match="Please say why"):
        waist.operations.decide(request.id, KIM, "Reject")
    with pytest.raises(NotAllowed, match="You own the alarm"):
        waist.operations.decide(request.id, SAM, "Approve")


def test_a_policy_of_one_step_does_not_loosen_a_childs_step_of_that_name(
    database: Database, clock: ManualClock
) -> None:
    """`steps` of a playbook speaks of its own runbook; a child's step of the same name has the usual policy."""
    usual = ApprovalPolicy(groups=(ApproverGroup(("kim",)),))
    loose = ApprovalPolicy(groups=(ApproverGroup(("lee", "sam", "kim")),), may_approve_own=True)
    waist = nested(database, clock, approvers=("lee", "sam", "kim"), approval=StepPolicies(usual, {"ask": loose}))
    request_id = question_of(waist)

    with pytest.raises(NotAllowed):
        waist.operations.decide(request_id, LEE, "Approve")
    with pytest.raises(NotAllowed):
        waist.operations.decide(request_id, SAM, "Approve")
    waist.operations.decide(request_id, KIM, "Approve")


def test_access_to_a_childs_question_is_judged_by_the_playbook_and_its_values(
    database: Database, clock: ManualClock
) -> None:
    """A rule about the playbook's parameters holds for what it starts in turn, and for stopping that, too."""
    rules = (
        Rule("anybody runs", who=("*",), may=("run", "see"), playbooks=("gate",)),
        Rule("kim steers", who=("kim",), may=("approve", "stop"), playbooks=("gate",)),
    )
    waist = nested(database, clock, approvers=("sam", "kim"), rules=GuardRules(Access(rules)))
    request_id = question_of(waist)
    child = waist.question().execution_id

    with pytest.raises(NotAllowed):
        waist.operations.decide(request_id, SAM, "Approve")
    with pytest.raises(NotAllowed):
        waist.operations.stop(child, SAM)
    waist.operations.decide(request_id, KIM, "Approve")
    assert waist.trail("approval.decided")[0].event.actor == actor_of(KIM)


def test_the_question_fits_its_step_until_the_plan_changes(database: Database, clock: ManualClock) -> None:
    """Asked twice, told twice, after a restart: it is one question, which is answered once."""
    waist = nested(database, clock, depth=3, approvers=("sam",))
    request_id = question_of(waist)
    waist.again()
    waist.settle()
    assert waist.question().id == request_id

    waist.operations.decide(request_id, SAM, "Approve")
    waist.again()
    waist.settle()
    assert [each.status for each in waist.queries.executions()] == ["Success"]


def test_a_playbook_whose_questions_are_all_below_it_names_its_approvers(tmp_path: Path) -> None:
    """The keys about approval are for the questions of further runbooks, too; what cannot be meant is still said."""
    good = "title: x\nmay_run: [lee]\napprovers: [sam]\napproval: {expires_in: 1h}\n"
    found = catalog(folder(tmp_path, "good", good, calling("Leaf")).parent).get("good")
    assert found is not None
    assert found.policy_of("").groups == (ApproverGroup(("sam",)),)

    wrong = "title: x\nmay_run: [lee]\napprovers: [sam]\napproval: {at_expiry: silence means approval}\n"
    with pytest.raises(InvalidLibrary, match="questions of further runbooks: silence cannot mean approval"):
        catalog(folder(tmp_path / "other", "wrong", wrong, calling("Leaf")).parent)
