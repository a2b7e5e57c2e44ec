"""The hash chain: how one event's hash follows from the one before, and how a chain is checked. Pure."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from audit.events import Actor, Event
from infra.canonical import canonical, encoded

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the trail: an event at its place in the chain."""

    seq: int
    at: datetime
    event: Event
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the trail found. `broken_at` names the first row that does not follow."""

    events: int
    head: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def is_valid(self) -> bool:
        """Whether every row follows from the one before."""
        return self.broken_at is None


def chain_hash(previous: str, seq: int, at: datetime, event: Event, *, key: bytes = b"") -> str:
    """Hash of one row over everything it says and the hash before it; keyed (HMAC) when `key` is given."""
    text = canonical([previous, seq, at.timestamp(), event.name, event.subject, _actor(event.actor), dict(event.data)])
    if key:
        return hmac.new(key, encoded(text), hashlib.sha256).hexdigest()
    return hashlib.sha256(encoded(text)).hexdigest()


def _actor(actor: Actor) -> list[str]:
    return [actor.kind, actor.id, actor.name]


def link(events: Iterable[Event], *, at: datetime, seq: int, head: str, key: bytes = b"") -> Iterator[Entry]:
    """Give each event its place after `seq` and `head`."""
    for number, event in enumerate(events, start=seq + 1):
        following = chain_hash(head, number, at, event, key=key)
        yield Entry(number, at, event, head, following)
        head = following


def verify(
    entries: Iterable[Entry],
    *,
    expected: tuple[int, str] | None = None,
    anchor: tuple[int, str] | None = None,
    key: bytes = b"",
) -> Verdict:
    """Walk the trail from its beginning and name the first row that was altered, removed or moved.

    `expected` is the recorded (length, head); without it a cut-off tail cannot be seen. `anchor` is a (seq, hash) that
    was noted elsewhere before: with it, even a trail that was rewritten from there on with the right key is found out.
    """
    head, seq = GENESIS, 0
    for entry in entries:
        seq += 1
        reason = _broken(entry, seq, head, key) or _off_anchor(entry, anchor)
        if reason:
            return Verdict(seq - 1, head, seq, reason)
        head = entry.hash
    ends = f"the trail ends at event {seq}"
    if expected is not None and expected != (seq, head):
        return Verdict(seq, head, seq + 1, f"{ends}, but {expected[0]} events were recorded")
    if anchor is not None and anchor[0] > seq:
        return Verdict(seq, head, seq + 1, f"{ends}, but event {anchor[0]} was noted before")
    return Verdict(seq, head)


def _broken(entry: Entry, seq: int, head: str, key: bytes) -> str:
    if entry.seq != seq:
        return f"event {seq} is missing or out of order; found {entry.seq}"
    if entry.previous != head:
        return f"event {seq} does not follow event {seq - 1}"
    if entry.hash != chain_hash(head, entry.seq, entry.at, entry.event, key=key):
        return f"event {seq} ({entry.event.name}) was altered"
    return ""


def _off_anchor(entry: Entry, anchor: tuple[int, str] | None) -> str:
    if anchor is None or anchor[0] != entry.seq or anchor[1] == entry.hash:
        return ""
    return f"event {entry.seq} ({entry.event.name}) is not the one that was noted before"
