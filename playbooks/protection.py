"""Whether a tag of what an alarm would work on keeps everybody but a person from it: asked of AWS, before a start.

One question finds every resource of a Region that carries a tag, of whatever service; Auto Scaling groups have their
tags to themselves. What cannot be read is taken for protected: then only a person starts it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from infra.aws_calls import CallsAws
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.clock import Clock
from playbooks.alarm import Alarm
from playbooks.alarm_board import resources_of
from playbooks.locks import UNKNOWN

log = structlog.get_logger(__name__)

FRESH: Final = timedelta(seconds=10)
"""So long an answer counts: a storm of alarms asks once."""
PATIENCE_SECONDS: Final = 5.0
"""How long a start by itself waits for AWS: whoever sends alarms waits for an answer, too."""
OFF: Final = ("false", "no", "0", "off")
"""Values by which a tag protects nothing."""

Marked = Mapping[str, str]
"""Names of a protected resource -> the tag that it has."""


def protects(value: str) -> bool:
    """Whether a protected tag of this value holds."""
    return value.strip().lower() not in OFF


def names_in(arn: str) -> frozenset[str]:
    """By what a parameter or a dimension may call the resource of an ARN: the whole, and what follows its kind.

    `arn:aws:ecs:eu-west-1:1234:service/shop/web` is called so, `service/shop/web`, `shop/web` or `web`.
    """
    rest = arn.split(":", 5)[-1]
    found, part = {arn, rest}, rest
    while cut := min((at for at in (part.find("/"), part.find(":")) if at >= 0), default=-1) + 1:
        part = part[cut:]
        found.add(part)
    return frozenset(found - {""})


@dataclass
class Protection:
    """Asks, never in a transaction. `session` gives AWS of an alarm's account, to look as the bot looks."""

    tags: tuple[str, ...]
    session: Callable[[Alarm], CallsAws]
    clock: Clock
    _known: dict[tuple[str, str], tuple[datetime, Marked | str]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="protection"))

    def why_not(self, alarm: Alarm, keys: Sequence[str]) -> str:
        """Why only a person may start it, without its subject and its full stop; "" = nothing speaks against it.

        `keys` are those of the execution's resources (playbooks/locks.py); what the alarm itself is about counts, too.
        """
        targets = [*_targets(keys), *((alarm.account, alarm.region, name) for name in resources_of(alarm))]
        for account, region, name in targets if self.tags else ():
            if account not in (alarm.account, UNKNOWN):
                return f"the tags of {name} cannot be read, as it is in another account ({account}) than the alarm"
            found = self._marked(alarm, region)
            if isinstance(found, str):
                return f"the tags of {name} cannot be read ({found})"
            if name in found:
                return f"{name} has the tag {found[name]}"
        return ""

    def check(self, aws: CallsAws, region: str) -> int:
        """How many names are protected there, for the doctor. Raises AwsRefused, AwsUnreachable."""
        return len(dict(self._asked(aws, region)))

    def _marked(self, alarm: Alarm, region: str) -> Marked | str:
        """Every protected resource there, or why that is not known."""
        place, now = (alarm.account, region), self.clock()
        known = self._known.get(place)
        if known is not None and timedelta(0) <= now - known[0] <= FRESH:
            return known[1]
        asking = self._pool.submit(lambda: dict(self._asked(self.session(alarm), region)))
        try:
            found: Marked | str = asking.result(PATIENCE_SECONDS)
        except TookTooLong:
            found = f"AWS has not answered within {PATIENCE_SECONDS:.0f} seconds"
        except (AwsRefused, AwsUnreachable) as error:
            found = str(error)
        if isinstance(found, str):
            log.warning("protected tags cannot be read, so nothing starts by itself there", region=region, reason=found)
        self._known[place] = (now, found)
        return found

    def _asked(self, aws: CallsAws, region: str) -> Iterator[tuple[str, str]]:
        for tag in self.tags:
            params = {"TagFilters": [{"Key": tag}], "ResourcesPerPage": 100}
            for each in _pages(aws, region, ("resourcegroupstaggingapi", "GetResources"), params, "PaginationToken"):
                for resource in each.get("ResourceTagMappingList") or ():
                    values = [str(own.get("Value") or "") for own in resource.get("Tags") or () if own["Key"] == tag]
                    if any(protects(value) for value in values):
                        yield from ((name, tag) for name in names_in(str(resource["ResourceARN"])))
        params = {"Filters": [{"Name": "key", "Values": [*self.tags]}]}
        for each in _pages(aws, region, ("autoscaling", "DescribeTags"), params, "NextToken"):
            for own in each.get("Tags") or ():
                if protects(str(own.get("Value") or "")):
                    yield str(own["ResourceId"]), str(own["Key"])


def _targets(keys: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for key in keys:
        account, region, _service, name = key.split("/", 3)
        yield account, region, name


def _pages(
    aws: CallsAws, region: str, operation: tuple[str, str], params: Mapping[str, Any], token: str
) -> Iterator[Mapping[str, Any]]:
    given = dict(params)
    while True:
        answer = aws.call(*operation, given, region=region)
        yield answer
        if not answer.get(token):
            return
        given[token] = answer[token]
