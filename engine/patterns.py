r"""allowedPattern: Java regular expressions, as SSM takes them, on the `regex` package. Pure.

What both spell alike is left alone; `\d \w \s` and POSIX classes are ASCII as in Java, escapes that only Java knows
are translated. Matching is limited in time, so that no pattern can hold the bot up.
"""

import functools
import re
from collections.abc import Callable
from typing import Any, Final

import regex

LIMIT_SECONDS: Final = 0.5
_ASCII: Final = {
    "d": "0-9",
    "w": "a-zA-Z0-9_",
    "s": r" \t\n\x0b\f\r",
    "Lower": "a-z",
    "Upper": "A-Z",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0b\f\r",
    "ASCII": r"\x00-\x7f",
    "javaLowerCase": r"\p{Ll}",
    "javaUpperCase": r"\p{Lu}",
    "javaWhitespace": r"\s",
}
_TOKEN: Final = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|$)"
    r"|\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\x\{(?P<code>[0-9a-fA-F]{1,6})\}"
    r"|\\k<(?P<group>\w+)>"
    r"|\\c(?P<control>[@-_])"
    r"|\\0(?P<octal>[0-3]?[0-7]{1,2})"
    r"|\\(?P<plain>e)"
    r"|\\(?P<sign>[pP])\{(?P<property>\w+\}-?)"
    r"|\\(?P<short>[dwsDWS]-?)"
    r"|\\(?P<escape>.)"
    r"|(?P<open>\[\^?\]?)|(?P<close>\])",
    re.DOTALL,
)


class PatternError(Exception):
    """The pattern cannot be read, or takes too long; the message says which."""


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches. Raises PatternError."""
    try:
        return compiled(pattern).fullmatch(text, timeout=LIMIT_SECONDS) is not None
    except TimeoutError as error:
        raise PatternError(f"the pattern {pattern} takes too long on this value") from error


@functools.lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The pattern as `regex` takes it. Raises PatternError."""
    translated = _translated(pattern)
    is_nested = "&&" in pattern or regex.search(r"\[[^\]\\]*\[(?!:)", pattern) is not None
    flags = regex.VERSION1 if is_nested else regex.VERSION0
    try:
        return regex.compile(translated, flags)
    except (regex.error, RecursionError, OverflowError, ValueError) as error:
        raise PatternError(f"the pattern {pattern} cannot be read ({error})") from error


def _translated(pattern: str) -> str:
    translator = _Translator()
    return _TOKEN.sub(translator.token, pattern)


class _Translator:
    """Rewrites tokens; knows whether it stands inside a character class."""

    def __init__(self) -> None:
        self._depth = 0
        self._rules: dict[str, Callable[[re.Match[str]], str]] = {
            "quoted": lambda match: regex.escape(match["quoted"], special_only=True),
            "low": lambda match: rf"\U{_joined(match['high'], match['low']):08X}",
            "code": lambda match: rf"\U{int(match['code'], 16):08X}",
            "group": lambda match: rf"(?P={match['group']})",
            "control": lambda match: rf"\x{ord(match['control']) ^ 64:02x}",
            "octal": lambda match: rf"\x{int(match['octal'], 8):02x}",
            "plain": lambda _: r"\x1b",
            "property": lambda match: self._class(
                match["property"].rstrip("-")[:-1], match[0], is_negated=match["sign"] == "P"
            ),
            "short": lambda match: self._class(
                match["short"][0].lower(), match[0], is_negated=match["short"][0].isupper()
            ),
            "escape": lambda match: match[0],
            "open": self._open,
            "close": self._close,
        }

    def token(self, match: re.Match[str]) -> str:
        """The translation of one token."""
        return self._rules[str(match.lastgroup)](match)

    def _class(self, name: str, written: str, *, is_negated: bool) -> str:
        """A class of characters, and the hyphen after it: inside brackets it is a literal one, not a range."""
        members, hyphen = _ASCII.get(name), "-" if written.endswith("-") else ""
        if self._depth:
            inside = members if members is not None and not is_negated else written.removesuffix("-")
            return inside + (r"\-" if hyphen else "")
        if members is None:
            return written
        return f"[{'^' if is_negated else ''}{members}]{hyphen}"

    def _open(self, match: re.Match[str]) -> str:
        self._depth += 1
        return match[0]

    def _close(self, match: re.Match[str]) -> str:
        self._depth = max(0, self._depth - 1)
        return match[0]


def _joined(high: str, low: str) -> int:
    """The character of a surrogate pair."""
    return 0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00)
