"""Resources that people may choose from: asked of AWS with questions only, remembered for a while, searched in memory.

A form must answer within three seconds, so nobody waits for AWS twice: a list that is getting old is still shown
while it is asked for anew.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from infra.aws_calls import CallsAws
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.clock import Clock
from playbooks.resource_kinds import BUCKET, INSTANCE, ROLE

FRESH: Final = timedelta(seconds=60)
KEPT: Final = timedelta(minutes=10)
TROUBLED: Final = timedelta(seconds=10)
"""How long it is remembered that AWS did not answer."""
MOST_PAGES: Final = 10
MOST_LISTS: Final = 200
NO_REGION: Final = frozenset({BUCKET, ROLE})
"""Kinds that are the same in every Region."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing to choose. `detail` is what tells it from others of its name: state, type."""

    id: str
    name: str = ""
    detail: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """As a menu shows it: name, id, detail."""
        named = f"{self.name} ({self.id})" if self.name and self.name != self.id else self.id
        return f"{named} · {self.detail}" if self.detail else named

    @property
    def words(self) -> str:
        """All that a search looks at, in lower case."""
        tags = " ".join(f"{key}={value}" for key, value in self.tags.items())
        return f"{self.id} {self.name} {self.detail} {tags}".lower()


@dataclass(frozen=True, slots=True)
class Listing:
    """The resources of one kind in one Region. `problem` is a sentence when AWS did not tell them (all)."""

    resources: tuple[Resource, ...]
    at: datetime
    problem: str = ""

    def named(self) -> Mapping[str, str]:
        """Id -> label."""
        return {each.id: each.label for each in self.resources}


class Resources:
    """Lists by kind and Region. `session` gives AWS in a Region, signed as the bot reads."""

    def __init__(self, session: Callable[[str], CallsAws], clock: Clock) -> None:
        self._session, self._clock = session, clock
        self._lists: dict[tuple[str, str], Listing] = {}
        self._asking: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def known(self, kind: str, region: str) -> tuple[Listing | None, bool]:
        """What is remembered, and whether it should be asked for (again). Never asks."""
        listing = self._lists.get(_place(kind, region))
        age = self._clock() - listing.at if listing else KEPT
        if listing is None or not timedelta(0) <= age < (TROUBLED if listing.problem else KEPT):
            return None, True
        return listing, age >= FRESH

    def look(self, kind: str, region: str) -> Listing:
        """Ask AWS, unless somebody did within the last minute; never raises, what went wrong is in the answer."""
        place = _place(kind, region)
        with self._lock:
            asking = self._asking.setdefault(place, threading.Lock())
        with asking:
            listing, is_due = self.known(kind, region)
            if listing is not None and not is_due:
                return listing
            found = self._asked(kind, region)
            with self._lock:
                if len(self._lists) >= MOST_LISTS:
                    self._lists.clear()
                self._lists[place] = found
            return found

    def _asked(self, kind: str, region: str) -> Listing:
        found: list[Resource] = []
        problem = ""
        try:
            found.extend(READERS[kind](self._session(region)))
        except (AwsRefused, AwsUnreachable) as error:
            problem = f"AWS does not list {PLURALS[kind]}: {error}"
        except _TooMany:
            problem = f"There are more {PLURALS[kind]} than I list; one that is missing can be typed."
        ranked = sorted(found, key=lambda each: (each.name.lower() or "~", each.id))
        return Listing(tuple(ranked), self._clock(), problem)


def search(resources: Sequence[Resource], text: str) -> list[Resource]:
    """Those in which every word of the text occurs; ids and names that begin with it come first."""
    wanted = text.lower().split()
    found = [each for each in resources if all(word in each.words for word in wanted)]
    whole = text.strip().lower()
    return sorted(found, key=lambda each: not (each.id.startswith(whole) or each.name.lower().startswith(whole)))


class _TooMany(Exception):
    """More pages than a menu needs."""


def _place(kind: str, region: str) -> tuple[str, str]:
    return kind, "" if kind in NO_REGION else region


def _pages(
    aws: CallsAws, service: str, operation: str, params: Mapping[str, Any], *, going_on: str, more: str
) -> Iterator[dict[str, Any]]:
    page: dict[str, Any] = {}
    for _ in range(MOST_PAGES):
        answer = aws.call(service, operation, {**params, **page})
        yield answer
        if not answer.get(more):
            return
        page = {going_on: answer[more]}
    raise _TooMany


def _instances(aws: CallsAws) -> Iterator[Resource]:
    states = ["pending", "running", "stopping", "stopped"]
    params = {"Filters": [{"Name": "instance-state-name", "Values": states}], "MaxResults": 1000}
    for page in _pages(aws, "ec2", "DescribeInstances", params, going_on="NextToken", more="NextToken"):
        for each in (one for group in page.get("Reservations") or [] for one in group.get("Instances") or []):
            tags = {tag["Key"]: tag["Value"] for tag in each.get("Tags") or []}
            detail = " · ".join(filter(None, ((each.get("State") or {}).get("Name"), each.get("InstanceType"))))
            yield Resource(each["InstanceId"], tags.get("Name", ""), detail, tags)


def _buckets(aws: CallsAws) -> Iterator[Resource]:
    for page in _pages(aws, "s3", "ListBuckets", {}, going_on="ContinuationToken", more="ContinuationToken"):
        yield from (Resource(str(each["Name"])) for each in page.get("Buckets") or [])


def _roles(aws: CallsAws) -> Iterator[Resource]:
    for page in _pages(aws, "iam", "ListRoles", {"MaxItems": 1000}, going_on="Marker", more="Marker"):
        for each in page.get("Roles") or []:
            yield Resource(str(each["Arn"]), str(each["RoleName"]), str(each.get("Description") or ""))


READERS: Final[Mapping[str, Callable[[CallsAws], Iterator[Resource]]]] = {
    INSTANCE: _instances,
    BUCKET: _buckets,
    ROLE: _roles,
}
PLURALS: Final[Mapping[str, str]] = {INSTANCE: "instances", BUCKET: "buckets", ROLE: "roles"}
