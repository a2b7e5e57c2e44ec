"""allowedPattern: what Java would say, in bounded time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.patterns import PatternError, matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        # the whole text must match
        ("[a-z]+", "abc", True),
        ("[a-z]+", "abc1", False),
        ("^[a-z]+$", "abc\n", False),
        ("^$|^i-[0-9a-f]{8}$", "", True),
        # what both spell alike
        ("(?i)^yes|no$", "YES", True),
        (r"^(?!aws)[\w.-]+$", "awsome", False),
        (r"\p{L}+", "äß", True),
        (r"a++b", "aab", True),
        (r"\/[a-z]\_", "/a_", True),
        # ASCII only, as in Java
        (r"\d+", "٣", False),
        (r"\w+", "é", False),
        (r"[\w]+", "a_1", True),
        (r"[\w-.]+", "a-.", True),
        (r"[^\s]+", "a b", False),
        (r"\D\W\S", "x-y", True),
        (r"[\D]", "x", True),
        (r"\p{Alpha}\p{Punct}[\p{Digit}\p{Upper}]", "a$Z", True),
        (r"\p{Alpha}", "é", False),
        (r"\P{Alpha}", "1", True),
        (r"\p{javaLowerCase}", "é", True),
        # only Java spells it so
        (r"\Qa.b\E+", "a.bb", True),
        (r"\Qa.b", "axb", False),
        (r"(?<name>a)\k<name>", "aa", True),
        (r"\x{1F600}\e\cA\0101", "😀\x1b\x01A", True),
        (r"[a-z&&[^b]]+", "abc", False),
        (r"[a-z&&[^b]]+", "ac", True),
        (r"[a-z[0-9]]+", "a5", True),
        (r"[\u0020-\uD7FF\uD800\uDC00-\uDBFF\uDFFF]*", "a😀", True),
        # brackets that mean themselves
        (r"[]a]+", "]a", True),
        (r"[\[\]]+", "[]", True),
        (r"\[x\]", "[x]", True),
    ],
)
def test_matches(pattern: str, text: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """Full match, Java's meaning."""
    assert matches(pattern, text) is expected


@pytest.mark.parametrize("pattern", ["[a", "(", r"[_-\/]", "a{2,1}", r"\p{Nonsense}", "(?<n>"])
def test_a_pattern_that_cannot_be_read_lets_nothing_through(pattern: str) -> None:
    """It is an error, never a match."""
    with pytest.raises(PatternError, match="cannot be read"):
        matches(pattern, "x")


def test_a_pattern_is_given_half_a_second() -> None:
    """Nested quantifiers do not hold the bot up."""
    with pytest.raises(PatternError, match="takes too long on this value"):
        matches(r"(?:(a|b|ab)+)+\1\1c", "abb" * 40 + "cdc")


@given(st.text("ab01-[]()^$\\QEpP{}&|+*?.:<>kxuDc ", max_size=20), st.text("ab01-", max_size=10))
@settings(max_examples=300, deadline=None)
def test_any_pattern_is_answered_or_its_own_error(pattern: str, text: str) -> None:
    """Nothing but True, False or PatternError comes out."""
    try:
        found = matches(pattern, text)
    except PatternError:
        return

    assert found in (True, False)
