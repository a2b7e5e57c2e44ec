"""Whose an alarm is: its tags are asked for where a policy bars the owner, and a question says when nobody knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from approvals.request import ApproverGroup
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.db import Database
from playbooks.alarm_tags import AlarmTags
from playbooks.approval_policy import ALARM_OWNER, ApprovalPolicy, StepPolicies
from playbooks.asking import UNKNOWN_OWNER
from playbooks.catalog import Catalog
from playbooks.operations import NotAllowed
from playbooks.playbook import Playbook
from tests.fakes.aws import QuietAws
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import SAM, Waist, gate
from tests.playbooks.worlds import alarm

ARN = "arn:aws:cloudwatch:eu-west-1:402715938824:alarm:web-1-cpu"
UNTAGGED = alarm(arn=ARN, tags={})


@dataclass
class Told(QuietAws):
    """An AWS that knows the alarm's tags, or says why not."""

    owner: str = "sam"
    trouble: Exception | None = None

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """The tags."""
        self.asked.append((f"{service}:{operation}", params))
        if self.trouble is not None:
            raise self.trouble
        return {"Tags": [{"Key": "Owner", "Value": self.owner}]}


def told(**fields: Any) -> Told:
    """One such AWS."""
    return Told("eu-west-1", "402715938824", "aws", **fields)


def guarded(*never: str) -> Playbook:
    """A playbook that starts by itself; these may never approve."""
    policy = ApprovalPolicy((ApproverGroup(("sam", "kim")),), never=never)
    return gate(start="auto", approvers=("sam", "kim"), approval=StepPolicies(policy))


def test_the_tags_are_asked_for_where_they_matter() -> None:
    """Once, by the alarm's ARN; not for a policy that bars no owner, nor where the message brought tags."""
    aws = told()
    tags = AlarmTags(Catalog((guarded(ALARM_OWNER),)), lambda _: aws)

    assert tags.tagged(UNTAGGED).tags == {"Owner": "sam"}
    assert aws.asked == [("cloudwatch:ListTagsForResource", {"ResourceARN": ARN})]
    assert tags.tagged(alarm(arn=ARN)).tags == {"team": "shop"}
    assert tags.tagged(alarm(tags={})).tags == {}
    assert AlarmTags(Catalog((guarded("kim"),)), lambda _: aws).tagged(UNTAGGED) == UNTAGGED
    assert len(aws.asked) == 1


def test_the_owner_is_barred_though_the_message_had_no_tags(database: Database, clock: ManualClock) -> None:
    """AWS sends none: they are read before the alarm is recorded."""
    playbook = guarded(ALARM_OWNER)
    waist = Waist(database, clock, playbook, tagged=AlarmTags(Catalog((playbook,)), lambda _: told()).tagged)
    waist.operations.receive(UNTAGGED)
    waist.settle()

    with pytest.raises(NotAllowed, match="You own the alarm"):
        waist.operations.decide(waist.question().id, SAM, "Approve")


@pytest.mark.parametrize(
    "trouble", [AwsRefused("AccessDenied", "no"), AwsUnreachable("cloudwatch", "ListTagsForResource", "away"), None]
)
def test_an_owner_whom_nobody_knows_is_said_on_the_question(
    database: Database, clock: ManualClock, trouble: Exception | None
) -> None:
    """The tags cannot be read, or none of them names somebody: the question says that nobody is kept out by it."""
    playbook = guarded(ALARM_OWNER)
    aws = told(trouble=trouble, owner="")
    waist = Waist(database, clock, playbook, tagged=AlarmTags(Catalog((playbook,)), lambda _: aws).tagged)
    waist.operations.receive(UNTAGGED)
    waist.settle()

    assert [who for who, _ in waist.question().barred] == [UNKNOWN_OWNER]
