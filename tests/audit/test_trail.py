"""The chain: whoever changes, removes or moves a row is found out, and the row is named."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from audit.events import Actor, Event
from audit.trail import GENESIS, Entry, link, verify
from tests.audit.strategies import events, trails
from tests.fakes.clock import NIGHT

Alteration = Callable[[Entry], Entry]


def chained(given_events: list[Event], *, key: bytes = b"") -> list[Entry]:
    """A trail of these events."""
    return list(link(given_events, at=NIGHT, seq=0, head=GENESIS, key=key))


def recorded(entries: list[Entry]) -> tuple[int, str]:
    """What the head row says of a trail."""
    return (len(entries), entries[-1].hash) if entries else (0, GENESIS)


@given(trails)
def test_an_untouched_trail_is_valid(trail: list[Event]) -> None:
    """Whatever the events hold."""
    entries = chained(trail)
    verdict = verify(entries, expected=recorded(entries))

    assert verdict.is_valid
    assert (verdict.events, verdict.head) == recorded(entries)


@given(st.lists(events, max_size=5), st.lists(events, min_size=1, max_size=5))
def test_a_trail_grows_as_if_it_were_written_at_once(first: list[Event], second: list[Event]) -> None:
    """Where one transaction ends and the next begins leaves no trace."""
    begun = chained(first)
    seq, head = recorded(begun)
    continued = [*begun, *link(second, at=NIGHT, seq=seq, head=head)]

    assert continued == chained(first + second)


ALTERATIONS: dict[str, Alteration] = {
    "time": lambda entry: replace(entry, at=entry.at + timedelta(microseconds=1)),
    "name": lambda entry: replace(entry, event=replace(entry.event, name="other")),
    "subject": lambda entry: replace(entry, event=replace(entry.event, subject=entry.event.subject + "x")),
    "actor": lambda entry: replace(entry, event=replace(entry.event, actor=Actor("person", "slack:T1/U1", "Mallory"))),
    "data": lambda entry: replace(entry, event=replace(entry.event, data={**entry.event.data, "added": 1})),
    "previous": lambda entry: replace(entry, previous="f" * 64),
    "hash": lambda entry: replace(entry, hash="é" * 64),
}


@given(trail=trails, choice=st.integers(min_value=0))
def test_an_altered_row_is_named(trail: list[Event], choice: int) -> None:
    """Each part of a row is covered by its hash."""
    entries = chained(trail)
    index = choice % len(entries)
    for alter in ALTERATIONS.values():
        tampered = [*entries]
        tampered[index] = alter(entries[index])

        assert verify(tampered, expected=recorded(entries)).broken_at == index + 1


@given(trail=trails, choice=st.integers(min_value=0))
def test_a_removed_row_is_named(trail: list[Event], choice: int) -> None:
    """The first number that is not there; at the end the head row tells."""
    entries = chained(trail)
    index = choice % len(entries)
    verdict = verify(entries[:index] + entries[index + 1 :], expected=recorded(entries))

    assert verdict.broken_at == index + 1
    assert str(index + 1) in verdict.reason or str(index) in verdict.reason


@given(trail=trails, choice=st.integers(min_value=0))
def test_a_removed_row_is_named_though_the_others_are_numbered_anew(trail: list[Event], choice: int) -> None:
    """Closing the gap in the numbers does not close it in the chain."""
    entries = chained(trail)
    index = choice % len(entries)
    rest = entries[:index] + entries[index + 1 :]
    numbered = [replace(entry, seq=seq) for seq, entry in enumerate(rest, start=1)]

    assert verify(numbered, expected=recorded(entries)).broken_at == index + 1


@given(
    trail=st.lists(events, min_size=2, max_size=12), pair=st.tuples(st.integers(min_value=0), st.integers(min_value=0))
)
def test_swapped_rows_are_named(trail: list[Event], pair: tuple[int, int]) -> None:
    """Two rows changed places: the first of them is named, with the old numbers or with new ones."""
    entries = chained(trail)
    first, second = sorted((pair[0] % len(entries), pair[1] % len(entries)))
    if first == second:
        return
    swapped = [*entries]
    swapped[first], swapped[second] = swapped[second], swapped[first]
    numbered = [replace(entry, seq=seq) for seq, entry in enumerate(swapped, start=1)]

    assert verify(swapped, expected=recorded(entries)).broken_at == first + 1
    assert verify(numbered, expected=recorded(entries)).broken_at == first + 1


@given(trail=trails, kept=st.integers(min_value=0))
def test_a_cut_tail_is_named(trail: list[Event], kept: int) -> None:
    """The recorded length and head tell where the trail should have ended."""
    entries = chained(trail)
    kept %= len(entries)
    verdict = verify(entries[:kept], expected=recorded(entries))

    assert verdict.broken_at == kept + 1
    assert verdict.reason == f"the trail ends at event {kept}, but {len(entries)} events were recorded"


@given(trail=trails, forged=events, choice=st.integers(min_value=0))
def test_a_key_stops_the_forger(trail: list[Event], forged: Event, choice: int) -> None:
    """Who can write every row but has not the key cannot make a chain that verifies."""
    key = b"kept elsewhere"
    entries = chained(trail, key=key)
    index = choice % len(entries)
    rewritten = chained([*trail[:index], forged, *trail[index + 1 :]])

    assert verify(entries, expected=recorded(entries), key=key).is_valid
    assert verify(rewritten, expected=recorded(rewritten), key=key).broken_at == 1
    assert verify(entries, expected=recorded(entries), key=b"another key").broken_at == 1
    assert verify(entries, expected=recorded(entries)).broken_at == 1


@given(trail=trails, forged=events, choice=st.integers(min_value=0))
def test_an_anchor_finds_what_was_written_anew(trail: list[Event], forged: Event, choice: int) -> None:
    """A (number, hash) that was noted outside is held against a trail that was forged with all rows and the head."""
    entries = chained(trail)
    index = choice % len(entries)
    rewritten = chained([*trail[:index], replace(forged, subject="forged"), *trail[index + 1 :]])
    noted = recorded(entries)

    assert verify(rewritten, expected=recorded(rewritten)).is_valid
    if rewritten != entries:
        assert verify(rewritten, expected=recorded(rewritten), anchor=noted).broken_at == len(entries)
    assert verify(entries, expected=noted, anchor=noted).is_valid


def test_an_anchor_beyond_the_end_is_told() -> None:
    """A trail that was cut together with its head is shorter than what was noted."""
    entries = chained([Event("bot.started", "")] * 3)
    verdict = verify(entries[:2], expected=recorded(entries[:2]), anchor=recorded(entries))

    assert verdict.broken_at == 3
    assert verdict.reason == "the trail ends at event 2, but event 3 was noted before"


def test_a_hash_is_what_it_was() -> None:
    """Trails that exist must verify with the next version, too: the spelling that is hashed may never change."""
    event = Event("approval.decided", "ex-1", Actor("person", "person:lee", "Lee"), {"b": [1, 2.5, None], "a": "é"})
    (entry,) = link([event], at=NIGHT, seq=41, head="a" * 64, key=b"key")
    (unkeyed,) = link([event], at=NIGHT, seq=41, head="a" * 64)

    assert entry.hash == "09c9c58bf4a38792e4ffe0ade5d3bee32a5cb869e7c5eaa82cb598dcc9eeee23"
    assert unkeyed.hash == "2d16ce91248287aacb01b133ac4a06971c2640082b24b0946f1a8fc5f6fdf81f"
