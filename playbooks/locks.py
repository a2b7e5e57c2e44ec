"""What an execution works on alone: the keys of its resources, and how it is told who has them. Pure.

A key is `account/Region/service/id`. The account is `-` where it is not known; such a key and one of any account
stand for the same resource, so that a person's run and an alarm's run on one instance meet. Executions that share a
resource, as they may on AWS, have a key each.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from audit.events import Actor
from engine.document import Document
from infra.canonical import Json
from playbooks.playbook import Playbook

UNKNOWN: Final = "-"
LONGEST: Final = 400
_LONGEST_SHARED: Final = 64
"""What `shared` adds, at most."""
_ARN: Final = re.compile(r"arn:[a-z0-9-]+:([a-z0-9-]+):([a-z0-9-]*):(\d*):(.+)", re.DOTALL)
_EC2_ID: Final = re.compile(r"[a-z]{1,12}-[0-9a-f]{3,17}")
_NOT_RESOURCES: Final = ("IAM::Role", "EC2::Image", "EC2::KeyPair", "SSM::Parameter")
"""Types whose values are read, not worked on: many runs may use one of them."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The execution that works on a resource."""

    key: str
    execution_id: str
    title: str
    actor: Actor
    since: datetime

    @property
    def resource(self) -> str:
        """The resource, as people know it."""
        return self.key.rpartition("/")[2]


def keys(
    document: Document, parameters: Mapping[str, Json], region: str, account: str, *, named: tuple[str, ...] | None
) -> tuple[str, ...]:
    """The keys of what an execution works on, sorted. `named` are the parameters that the playbook says hold them."""
    found = {
        _key(value, _service(document.parameters[name].type), region, account)
        for name in (_typed(document) if named is None else named)
        if name in document.parameters
        for value in _texts(parameters.get(name))
    }
    return tuple(sorted(found))


def keys_of(
    playbook: Playbook | None, document: Document, parameters: Mapping[str, Json], region: str, account: str
) -> tuple[str, ...]:
    """The keys of a playbook's execution; without a playbook those of the document's resource parameters."""
    named = playbook.lock if playbook is not None else None
    return keys(document, parameters, region, account, named=named)


def same_resource(key: str) -> str:
    """What two keys of one resource have in common, whatever is known of its account."""
    return key.partition("/")[2]


def shared(key: str, execution_id: str) -> str:
    """The key of one of several who have a resource together: the execution is named behind the account."""
    account, _, resource = key.partition("/")
    return f"{account}#{execution_id}/{resource}"


def is_same(one: str, other: str) -> bool:
    """Whether two keys stand for one resource."""
    accounts = {each.partition("/")[0].partition("#")[0] for each in (one, other)}
    return same_resource(one) == same_resource(other) and (len(accounts) == 1 or UNKNOWN in accounts)


def busy(holder: Holder, now: datetime) -> str:
    """Why something cannot start: who has the resource, since when and for what.

    The moment is told, not how long ago it is: the sentence is kept and read later.
    """
    return (
        f"{holder.resource} is already being handled by {holder.title} ({holder.execution_id[:8]}), "
        f"started by {_starter(holder)} at {_moment(holder.since, now)}."
    )


def was_busy(holder: Holder, now: datetime) -> str:
    """Why something did not start at `now`, in words that stay true when the resource is free again."""
    return (
        f"{holder.resource} was in use by {holder.title} ({holder.execution_id[:8]}), "
        f"which {_starter(holder)} had started at {_moment(holder.since, now)}."
    )


def _typed(document: Document) -> list[str]:
    return [
        name
        for name, parameter in document.parameters.items()
        if "AWS::" in parameter.type and not any(each in parameter.type for each in _NOT_RESOURCES)
    ]


def _service(kind: str) -> str:
    """`ec2` of `List<AWS::EC2::Instance::Id>`; "" where the type does not say."""
    return kind.split("AWS::", 1)[1].split("::", maxsplit=1)[0].lower() if "AWS::" in kind else ""


def _key(value: str, service: str, region: str, account: str) -> str:
    value = value.strip()
    arn = _ARN.fullmatch(value)
    if arn is not None:
        service, region, account = arn[1], arn[2] or region, arn[3] or account
        value = arn[4].partition("/")[2] or arn[4].partition(":")[2] or arn[4]
    if _EC2_ID.fullmatch(value.lower()) and service in ("", "ec2"):
        service, value = "ec2", value.lower()
    return f"{account or UNKNOWN}/{region}/{service or 'resource'}/{value}"[: LONGEST - _LONGEST_SHARED]


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str) and value.strip():
        yield value


def _starter(holder: Holder) -> str:
    who = holder.actor.name or holder.actor.id
    return f"alarm {who}" if holder.actor.kind == "alarm" else who


def _moment(moment: datetime, now: datetime) -> str:
    """In UTC, with its day unless that is today's."""
    at = moment.astimezone(UTC)
    return f"{at:%H:%M} UTC" if at.date() == now.astimezone(UTC).date() else f"{at:%F %H:%M} UTC"
