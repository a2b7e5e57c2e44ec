"""What people type: read without guessing, whatever their keyboard makes of quotes."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bot.slack.commandline import DOUBLE, SINGLE, VERBS, plain, typed


@pytest.mark.parametrize(
    ("text", "verb", "words", "pairs"),
    [
        ("", "help", (), {}),
        ("   ", "help", (), {}),
        ("RUN nap", "run", ("nap",), {}),
        ("run nap i-1 A=b", "run", ("nap", "i-1"), {"A": "b"}),
        ('run nap A="b c"', "run", ("nap",), {"A": "b c"}),
        ("run nap A='b c' d", "run", ("nap", "d"), {"A": "b c"}),
        ("run nap A=“b c”", "run", ("nap",), {"A": "b c"}),
        ("run nap A=„b c“", "run", ("nap",), {"A": "b c"}),
        ("run nap A=‘b c’", "run", ("nap",), {"A": "b c"}),
        ("run nap A=it's fine", "run", ("nap", "fine"), {"A": "it's"}),
        ("run nap A=”it’s slow”", "run", ("nap",), {"A": "it’s slow"}),
        ('run nap "A=b c"', "run", ("nap", "A=b c"), {}),
        ("run nap A=", "run", ("nap",), {"A": ""}),
        ('run nap A=""', "run", ("nap",), {"A": ""}),
        ("run nap a-b=c", "run", ("nap", "a-b=c"), {}),
        ("run nap A=b=c", "run", ("nap",), {"A": "b=c"}),
        ("run nap A={“k”:“v”}", "run", ("nap",), {"A": '{"k":"v"}'}),
        ('run nap A=\'{"k": "v"}\'', "run", ("nap",), {"A": '{"k": "v"}'}),
        ("run\u00a0nap\tx", "run", ("nap", "x"), {}),
        ("run nap <@U01|lee>", "run", ("nap", "U01"), {}),
        ("run nap A=<!channel>", "run", ("nap",), {"A": "channel"}),
        ("run nap A=<!subteam^S01|@oncall>", "run", ("nap",), {"A": "S01"}),
        ("run nap A=<#C01|general>", "run", ("nap",), {"A": "C01"}),
        ("run nap A=<http://a.example|a.example>", "run", ("nap",), {"A": "a.example"}),
        ("run nap A=<mailto:a@b.example|a@b.example>", "run", ("nap",), {"A": "a@b.example"}),
        ("run nap A=1&lt;2&amp;3", "run", ("nap",), {"A": "1<2&3"}),
    ],
)
def test_a_line_is_read(text: str, verb: str, words: tuple[str, ...], pairs: dict[str, str]) -> None:
    """Verb, words and pairs, as they were meant."""
    found = typed(text)

    assert (found.verb, found.words, found.pairs, found.problem) == (verb, words, pairs, "")


@pytest.mark.parametrize("text", ['run nap A="b c', "run nap 'b c", "run nap A=“b c", 'run nap "a"b c"d'])
def test_an_open_quote_is_a_problem(text: str) -> None:
    """Where a quotation ends must not be guessed."""
    assert "A quotation mark is open" in typed(text).problem


def test_a_name_given_twice_is_a_problem() -> None:
    """Which value is meant must not be guessed."""
    assert "A is given twice" in typed("run nap A=1 A=2").problem


@pytest.mark.parametrize(
    ("text", "near"), [("rnu", "run"), ("aprovals", "approvals"), ("xyz", ""), ("Stauts", "status")]
)
def test_a_typo_is_recognised(text: str, near: str) -> None:
    """The nearest verb is suggested, none is taken for it."""
    found = typed(text)

    assert (found.verb, found.suggestion) == (text.lower(), near)


words = some.text("abcXYZ019-_.:/@", min_size=1, max_size=12)
values = some.text("abc =é,.:/-_{}()", max_size=20).map(str.strip)


@given(
    some.sampled_from(VERBS),
    some.lists(words, max_size=4),
    some.dictionaries(some.from_regex("[A-Za-z0-9_]{1,8}", fullmatch=True), values, max_size=4),
    some.sampled_from(["“”", '""', "«»", "‘’", "''"]),
)
def test_what_is_quoted_comes_back(verb: str, words: list[str], pairs: dict[str, str], quotes: str) -> None:
    """Any value in any kind of quotes is read as it was written."""
    parts = [verb, *words, *(f"{name}={quotes[0]}{value}{quotes[1]}" for name, value in pairs.items())]
    found = typed(" ".join(parts))

    assert (found.verb, found.words, found.pairs, found.problem) == (verb, tuple(words), pairs, "")


@given(some.text(max_size=80) | some.text("run ab=<>!@#|&;" + DOUBLE + SINGLE, max_size=40))
def test_any_line_is_read_or_is_a_problem(text: str) -> None:
    """Nothing anybody types raises, and no mention of Slack's survives."""
    found = typed(text)

    assert found.verb
    assert "\x00" not in "".join([found.verb, *found.words, *found.pairs.values()])


@given(some.sampled_from(["channel", "here", "everyone", "subteam^S01"]), some.text("abc ", max_size=5))
def test_no_mention_of_slacks_survives(name: str, label: str) -> None:
    """Mentions become plain words."""
    assert "<!" not in plain(f"a <!{name}|{label}> b <!{name}>")
