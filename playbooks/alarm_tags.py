"""The tags of an alarm, asked of CloudWatch where a policy bars its owner: AWS's messages bring none."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from infra.aws_calls import CallsAws
from infra.aws_errors import AwsRefused, AwsUnreachable
from playbooks.alarm import Alarm
from playbooks.approval_policy import ALARM_OWNER
from playbooks.matching import matching
from playbooks.shelf import Shelf

log = structlog.get_logger(__name__)

PATIENCE_SECONDS: Final = 3.0
"""How long an alarm waits for its tags; without them its questions say that the owner is not known."""


@dataclass
class AlarmTags:
    """Asks, never in a transaction. `session` gives AWS of the alarm's Region and account."""

    catalog: Shelf
    session: Callable[[Alarm], CallsAws]
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="alarm-tags"))

    def tagged(self, alarm: Alarm) -> Alarm:
        """The alarm with its tags, where they are wanted and AWS tells them."""
        if alarm.tags or not alarm.arn or not self._is_wanted(alarm):
            return alarm
        try:
            return replace(alarm, tags=self._pool.submit(self._asked, alarm).result(PATIENCE_SECONDS))
        except (AwsRefused, AwsUnreachable, TookTooLong) as error:
            log.warning("nobody says whose the alarm is", alarm=alarm.name, reason=str(error) or "no answer in time")
            return alarm

    def _is_wanted(self, alarm: Alarm) -> bool:
        found = (each.approval for each in matching(self.catalog.all, alarm) if each.start != "off")
        return any(approval is not None and ALARM_OWNER in approval.entries for approval in found)

    def _asked(self, alarm: Alarm) -> dict[str, str]:
        answer = self.session(alarm).call(
            "cloudwatch", "ListTagsForResource", {"ResourceARN": alarm.arn}, region=alarm.region
        )
        return {str(each["Key"]): str(each["Value"]) for each in answer.get("Tags") or ()}
