"""Whether a story that was exported as JSON is what this version would export of the trail. Pure."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.execution import FINAL
from infra.canonical import Json
from playbooks.facts import ExecutionFacts, TimelineEntry
from playbooks.timeline import as_plain

ENDED: Final = "execution.ended"
OF_THE_END: Final = frozenset({"status", "ended_at", "failure"})
"""Parts of the head that change as it goes on; the trail has no copy of what they were before its end."""
LATER: Final = "retried_as"
"""May be in the head from any moment after the end."""
LONGEST_SHOWN: Final = 100
Plain = Mapping[str, Json]


class NoExport(ValueError):
    """The file is not a story in JSON, as `playbook-bot timeline --format json` and *Export* give it."""


@dataclass(frozen=True, slots=True)
class Story:
    """What a file says."""

    execution: str
    head: Plain
    events: Sequence[Plain]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found, in sentences. A story is vouched for only where facts and words are empty."""

    facts: tuple[str, ...] = ()
    """Where it says something else than the trail, or than the head that would be exported now."""
    words: tuple[str, ...] = ()
    """Where the facts of an event agree, but its sentence is not the one that this version makes of them."""
    notes: tuple[str, ...] = ()
    """What cannot be told from the trail."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing in the story is otherwise."""
        return not (self.facts or self.words)


def read(text: str) -> Story:
    """A story from its file. Raises NoExport."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
        execution, events = found["execution"], found["events"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoExport(str(NoExport.__doc__)) from error
    is_one = isinstance(execution, str) and isinstance(events, list)
    if not is_one or not all(isinstance(each, dict) and type(each.get("seq")) is int for each in events):
        raise NoExport(str(NoExport.__doc__))
    return Story(execution, {name: value for name, value in found.items() if name != "events"}, events)


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object in which every name stands once: of two, one reader shows the first and another the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(pairs)
    return found


def prove(story: Story, facts: ExecutionFacts, entries: Sequence[TimelineEntry]) -> Proof:
    """Compare a story with the execution and its trail as they are now; the trail may have gone on since."""
    now = as_plain(facts, entries)
    trail = {entry.seq: dict(event) for entry, event in zip(entries, _events(now), strict=True)}
    told = {_seq(event): event for event in story.events}
    last = max(told, default=0) or max(trail, default=0)
    expected = {seq: event for seq, event in trail.items() if seq <= last}
    found = [*_places(story, expected), *_altered(told, expected)]
    has_ended = facts.is_over and any(event["name"] == ENDED for event in expected.values())
    found += _head(story.head, {name: value for name, value in now.items() if name != "events"}, has_ended=has_ended)
    notes = [*_notes(sum(seq > last for seq in trail), has_ended=has_ended)]
    if facts.retried_as and has_ended and story.head.get(LATER, "") is None:
        notes.append(f"it was gone on with in {facts.retried_as}, before the export or after; it does not say so")
    return Proof(tuple(found), tuple(_reworded(told, expected)), tuple(notes))


def _events(plain: Plain) -> Sequence[Plain]:
    events = plain["events"]
    return [each for each in events if isinstance(each, dict)] if isinstance(events, list) else []


def _seq(event: Plain) -> int:
    return int(str(event["seq"]))


def _places(story: Story, expected: Mapping[int, Plain]) -> Iterator[str]:
    """Events that were added, doubled, left out or moved."""
    numbers = [_seq(event) for event in story.events]
    for seq, times in Counter(numbers).items():
        if seq not in expected:
            yield f"event {seq} is not in the trail of this execution"
        elif times > 1:
            yield f"event {seq} stands there {times} times"
    yield from (f"event {seq} is missing" for seq in expected if seq not in numbers)
    if numbers != sorted(numbers):
        yield "the events are not in the order of the trail"


def _altered(told: Mapping[int, Plain], expected: Mapping[int, Plain]) -> Iterator[str]:
    for seq, event in expected.items():
        names = [each for each in _differing(told.get(seq, event), event) if each != "text"]
        if names:
            yield f"event {seq} is not as the trail has it: {', '.join(names)}"


def _reworded(told: Mapping[int, Plain], expected: Mapping[int, Plain]) -> Iterator[str]:
    for seq, event in expected.items():
        if _differing(told.get(seq, event), event) == ["text"]:
            theirs, ours = _shown(told[seq].get("text")), _shown(event["text"])
            yield f"event {seq} has the facts of the trail, but says {theirs}, where this version says {ours}"


def _head(head: Plain, now: Plain, *, has_ended: bool) -> Iterator[str]:
    """What stands above the events, as far as it can be known of the moment of the export."""
    for name in _differing(head, now):
        theirs, ours = head.get(name), now.get(name)
        if name not in head:
            yield f"{name} is missing above the events"
        elif name not in now:
            yield f"{_shown(name)} above the events is no part of an export"
        elif name == LATER and theirs is None:
            continue
        elif has_ended or name not in OF_THE_END:
            yield f"{name} is {_shown(theirs)}, and would be {_shown(ours)}"
    if not has_ended and (str(head.get("status")) in FINAL or head.get("ended_at") is not None):
        yield f"it says that it ended ({_shown(head.get('status'))}), and none of its events does"


def _notes(later: int, *, has_ended: bool) -> Iterator[str]:
    if later:
        yield f"the trail has {later} later events, which are not in it"
    if not has_ended:
        yield "it ends before the run does: the trail does not tell the status and failure of that moment"


def _differing(one: Plain, other: Plain) -> list[str]:
    """Names under which two objects do not have the same."""
    names = {**other, **one}
    return [name for name in names if name not in one or name not in other or not _same(one[name], other[name])]


def _same(one: Json, other: Json) -> bool:
    """As JSON has it, where true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
