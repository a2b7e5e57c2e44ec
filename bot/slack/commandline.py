"""What somebody typed after the slash command, however their keyboard spells quotes and Slack spells names. Pure."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from bot.slack.blocks import replies

VERBS: Final = (
    "help",
    "list",
    "run",
    "status",
    "approvals",
    "stop",
    "audit",
    "timeline",
    "whoami",
    "resume",
    "why",
    "pause",
    "notify",
    "takeover",
    "away",
    "back",
)
DOUBLE: Final = '“”„‟«»″＂"'
SINGLE: Final = "‘’‚‛‹›′＇'"
"""Quotation marks as keyboards make them."""
_REFERENCE: Final = re.compile(r"<([@#!])(?:subteam\^)?([A-Za-z0-9^_-]+)(?:\|[^>]*)?>")
_LINK: Final = re.compile(r"<(?:mailto:|tel:)?([^<>|]+)(?:\|([^<>]*))?>")
_NAMED: Final = re.compile(r"[A-Za-z0-9_]+=")


@dataclass(frozen=True, slots=True)
class Typed:
    """A verb, its words and its `name=value` pairs.

    `suggestion` when the verb is unknown; `problem` is a sentence when the line cannot be read without guessing.
    """

    verb: str
    words: tuple[str, ...] = ()
    pairs: dict[str, str] = field(default_factory=dict)
    suggestion: str = ""
    problem: str = ""


class _Open(Exception):
    """A quotation mark is not closed."""


def plain(text: str) -> str:
    """Slack's escapes undone: mentions keep their id, links their text, entities become letters."""
    text = _REFERENCE.sub(lambda match: match[2], text)
    text = _LINK.sub(lambda match: match[2] or match[1], text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("\x00", "")


def typed(text: str) -> Typed:
    """Read a command line. Nothing typed is `help`."""
    tokens: list[str] = []
    problem = ""
    try:
        tokens.extend(_tokens(plain(text)))
    except _Open as rest:
        problem = replies.open_quotation(rest)
    verb = (tokens[0].removeprefix("\x00").lower() if tokens else "") or "help"
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1, cutoff=0.5)
        return Typed(verb, suggestion=near[0] if near else "", problem=problem)
    words: list[str] = []
    pairs: dict[str, str] = {}
    for token in tokens[1:]:
        name, value = _named(token)
        if name in pairs:
            problem = problem or replies.given_twice(name)
        if name:
            pairs[name] = value
        else:
            words.append(value)
    return Typed(verb, tuple(words), pairs, problem=problem)


def stepwise(wanted: Typed) -> tuple[Typed, bool]:
    """A line without `--step`, and whether it was there: each step is then started by a person."""
    words = tuple(word for word in wanted.words if word.strip("-–—").casefold() != "step" or word[:1] not in "-–—")
    return replace(wanted, words=words), words != wanted.words


def _named(token: str) -> tuple[str, str]:
    """(name, value) of a pair, ("", word) of a word. A quoted token is a word, whatever it contains."""
    if token.startswith("\x00"):
        return "", token[1:]
    named = _NAMED.match(token)
    name, value = (named[0][:-1], token[named.end() :]) if named else ("", token)
    return name, re.sub(f"[{DOUBLE}]", '"', value) if value[:1] in ("[", "{") else value


def _tokens(text: str) -> Iterator[str]:
    """Words and pairs. Quotes count at the beginning of a word or of a value; an apostrophe within one is a letter.

    A token that begins with a quote is marked by NUL, which no text contains.
    """
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        named = _NAMED.match(text, at)
        start = named.end() if named else at
        quotes = next((marks for marks in (DOUBLE, SINGLE) if start < len(text) and text[start] in marks), "")
        if quotes:
            end = _closed(text, start + 1, quotes)
            head = text[at:start] if named else "\x00"
            yield f"{head}{text[start + 1 : end]}"
            at = end + 1
        else:
            end = next((place for place in range(start, len(text)) if text[place].isspace()), len(text))
            yield text[at:end]
            at = end


def _closed(text: str, start: int, quotes: str) -> int:
    """Where a quotation ends: at a mark of its kind that is followed by space or nothing."""
    for place in range(start, len(text)):
        if text[place] in quotes and (place + 1 == len(text) or text[place + 1].isspace()):
            return place
    raise _Open(text[start : start + 40].strip() or "the end")
