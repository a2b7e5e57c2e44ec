"""Events as the world may bring them: any text, any JSON, and what is not JSON at all."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from audit.events import EVENTS, Actor, Event

texts = st.text(max_size=20)
"""Any character, NUL and lone surrogates included."""
any_text = st.one_of(
    texts, st.sampled_from(["\x00", "\ud800", "'; DROP TABLE event; --", "<!channel>", "=1+1", "é" * 600])
)
numbers = st.one_of(st.integers(), st.floats())
odd = st.one_of(st.just(datetime(2026, 3, 1, tzinfo=UTC)), st.tuples(st.integers()), st.sets(st.integers(), max_size=2))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, any_text, odd),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=4,
)
actors = st.builds(Actor, st.sampled_from(["person", "alarm", "schedule", "system"]), any_text, any_text)
events = st.builds(
    Event,
    st.sampled_from(sorted(EVENTS)),
    any_text,
    actors,
    st.dictionaries(texts, values, max_size=2),
)
trails = st.lists(events, min_size=1, max_size=6)
