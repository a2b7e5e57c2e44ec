"""What somebody typed after the slash command, however their keyboard spells quotes and Slack spells names. Pure."""

import difflib
import re
from dataclasses import dataclass, field
from typing import Final

VERBS: Final = ("help", "list", "run", "status", "approvals", "stop", "audit", "whoami", "resume")
QUOTES: Final = {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'"}
_REFERENCE: Final = re.compile(r"<([@#!])([A-Za-z0-9^_-]+)(?:\|[^>]*)?>")
_LINK: Final = re.compile(r"<(?:mailto:|tel:)?([^<>|]+)(?:\|([^<>]*))?>")
_TOKEN: Final = re.compile(r"""((?:[^\s"']|"[^"]*"|'[^']*')+)""")


@dataclass(frozen=True, slots=True)
class Typed:
    """A verb, its words and its `name=value` pairs; `suggestion` when the verb is unknown."""

    verb: str
    words: tuple[str, ...] = ()
    pairs: dict[str, str] = field(default_factory=dict)
    suggestion: str = ""


def plain(text: str) -> str:
    """Slack's escapes undone: mentions keep their id, links their text, entities become letters."""
    text = "".join(QUOTES.get(letter, letter) for letter in text)
    text = _REFERENCE.sub(lambda match: match[2], text)
    text = _LINK.sub(lambda match: match[2] or match[1], text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("\x00", "")


def typed(text: str) -> Typed:
    """Read a command line. Nothing typed is `help`."""
    tokens = _TOKEN.findall(plain(text))
    if not tokens:
        return Typed("help")
    verb = _unquoted(tokens[0]).lower()
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1, cutoff=0.5)
        return Typed(verb, suggestion=near[0] if near else "")
    words, pairs = [], {}
    for token in tokens[1:]:
        name, equals, value = token.partition("=")
        if equals and re.fullmatch(r"[A-Za-z0-9_]+", name):
            pairs[name] = _unquoted(value)
        else:
            words.append(_unquoted(token))
    return Typed(verb, tuple(words), pairs)


def _unquoted(token: str) -> str:
    return re.sub(r"\"([^\"]*)\"|'([^']*)'", lambda match: match[1] if match[1] is not None else match[2], token)
