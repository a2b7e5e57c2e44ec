"""Secrets made unreadable before anybody else sees them: by the name they go by, by their shape, by their value. Pure.

The engine's own rows keep real values, as it has to work with them. What people and other programs are shown, and
what is remembered of it (events, cards, logs), passes through here first; masking twice changes nothing.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from urllib.parse import quote

from infra.canonical import Json

MASK: Final = "***"

SHAPES: Final = re.compile(
    r"xox[a-z](?:\.xox[a-z])?-[\w-]+|xapp-[\w-]+|xwfp-[\w-]+"  # Slack tokens, rotated ones too
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"  # AWS access keys
    r"|hooks\.slack\.com/[\w/-]+"  # response URLs let anybody post
    r"|(?<=://)[^\s/:@]+:[^\s/]+(?=@)"  # user:password@ in URLs
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:(?!-----END).)*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"  # JSON web tokens
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}"  # GitHub tokens
    r"|(?i:(?<=\bbearer )|(?<=\bbasic ))[\w.~+/-]{8,}=*"
    r"|(?i:(?<=X-Amz-Signature=)|(?<=X-Amz-Security-Token=)|(?<=X-Amz-Credential=))[^&\s\"'*]+",
    re.DOTALL,
)
"""What is a secret wherever it stands."""
_WORDS: Final = (
    r"password|passwd|passphrase|secret|token|credential|authorization|signature"
    r"|api_?key|private_?key|access_?key|signing_?key|encryption_?key|plaintext"
)
_NAME: Final = re.compile(rf"(?i)(?:{_WORDS})")
_NOT_A_SECRET: Final = re.compile(
    r"(?i)(?:next|client|page|paging|pagination|continuation|idempotency|request)_?tokens?$"
)
_ABOUT_A_SECRET: Final = frozenset(
    {"id", "ids", "arn", "arns", "name", "names", "type", "types", "count", "version", "versions", "length", "policy"}
    | {"expires", "expiry", "expiration", "ttl", "age", "status", "stage", "stages", "region", "url", "uri", "path"}
    | {"at", "on", "date", "time", "enabled", "required", "present", "parameters", "algorithm", "rotation"}
)
"""Last words of names that speak of a secret without being one: SecretId, NextToken, PasswordPolicy."""
_LAST_WORD: Final = re.compile(r"(?:[A-Z]?[a-z0-9]+|[A-Z0-9]+)$")
_ASSIGNED: Final = re.compile(
    r"(?P<head>(?i:password|passwd|passphrase|secret_?(?:access_?)?key|secret_?string|client_?secret|api_?key"
    r"|(?:access|auth|session|refresh|security)_?token)\w{0,20}\\?[\"']?\s{0,4}[=:]\s{0,4}"
    r"|--(?i:password|passwd|passphrase|secret|token|api-key)[ =])"
    r"(?P<value>\\\"(?:(?!\\\").)*(?:\\\")?|\"(?:\\.|[^\"\\\n])*\"?|'[^'\n]*'?|[^\s\"'\\,;&<>(){}\[\]]+)"
)
_TELLS_NOTHING: Final = frozenset({"", MASK, "true", "false", "null", "none", "yes", "no", "string", "securestring"})
_HARMLESS_IN_SECRETS: Final = frozenset(
    {"username", "user", "host", "hostname", "port", "engine", "dbname", "database", "region", "masterarn"}
    | {"dbinstanceidentifier", "dbclusteridentifier"}
)
"""What Secrets Manager's own JSON tells beside the password."""
_SHORTEST: Final = 3
_WHOLE_WORDS_BELOW: Final = 8
_DEEPEST: Final = 64


def is_secret_name(name: str) -> bool:
    """Whether what goes by this name is taken for a secret."""
    if not _NAME.search(name) or _NOT_A_SECRET.search(name):
        return False
    last = _LAST_WORD.search(name)
    return last is None or last[0].casefold() not in _ABOUT_A_SECRET


def leaves(value: Json) -> Iterator[str]:
    """Every text and number in a value, and in JSON that a text holds."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield value
        if value[:1] in ("{", "["):
            yield from _within(value)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _within(text: str) -> Iterator[str]:
    """The values of a secret that is spelled as JSON, but for those that are no secret."""
    try:
        inside = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(inside, dict):
        inside = {name: item for name, item in inside.items() if str(name).casefold() not in _HARMLESS_IN_SECRETS}
    yield from leaves(inside)


@dataclass(frozen=True)
class Masking:
    """Masks by name and shape, and wherever one of `values` stands."""

    values: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def _known(self) -> re.Pattern[str] | None:
        spelled = {each for value in self.values if tells(value) for each in _spellings(value)}
        if not spelled:
            return None
        return re.compile("|".join(_as_pattern(each) for each in sorted(spelled, key=lambda it: (-len(it), it))))

    def text(self, text: str) -> str:
        """A text with every secret in it replaced."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = SHAPES.sub(MASK, text)
        return _ASSIGNED.sub(_assigned, text)

    def json(self, value: Json, name: str = "") -> Json:
        """A value with every secret in it replaced; `name` is what it goes by."""
        return self._json(value, is_secret=is_secret_name(name), depth=0)

    def mapping(self, value: Mapping[str, Json], *, keep: frozenset[str] = frozenset()) -> dict[str, Json]:
        """The members masked, each by its name; those in `keep` stay as they are."""
        return {name: item if name in keep else self.json(item, name) for name, item in value.items()}

    def _json(self, value: Json, *, is_secret: bool, depth: int) -> Json:
        if isinstance(value, str):
            return self._leaf(value, is_secret=is_secret)
        if depth > _DEEPEST:
            return MASK
        if isinstance(value, Mapping):
            hidden = _hidden_members(value)
            return {
                name: self._json(
                    item, is_secret=is_secret or name in hidden or is_secret_name(str(name)), depth=depth + 1
                )
                for name, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._json(item, is_secret=is_secret, depth=depth + 1) for item in value]
        if value is not None and not isinstance(value, bool) and str(value) in self.values and tells(str(value)):
            return MASK
        return value

    def _leaf(self, value: str, *, is_secret: bool) -> str:
        if is_secret and tells(value) and not value.lstrip().startswith("{{"):
            return MASK
        return MASK if value in self.values and tells(value) else self.text(value)


PLAIN: Final = Masking()
"""Knows no values: masks by name and shape alone."""


def tells(value: str) -> bool:
    """Whether a value is worth hiding: `true` or `10` as a secret would take half of every sentence with it."""
    is_small_number = value.isdigit() and len(value) < 4
    return len(value) >= _SHORTEST and value.casefold() not in _TELLS_NOTHING and not is_small_number


def masking(values: Iterable[str]) -> Masking:
    """A masking that knows these values."""
    known = frozenset(values)
    return Masking(known) if known else PLAIN


def _spellings(value: str) -> Iterator[str]:
    """As it is, within JSON, within JSON of other spelling, and within an address."""
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value, safe="", errors="replace")


def _as_pattern(spelled: str) -> str:
    """A short one only where it stands alone, so that `cat` as a secret leaves `category` readable."""
    found = re.escape(spelled)
    return found if len(spelled) >= _WHOLE_WORDS_BELOW else rf"(?<!\w){found}(?!\w)"


def _hidden_members(value: Mapping[str, Json]) -> frozenset[str]:
    """The value of a pair whose name is a secret's, or that says it is one: {Name: db_password, Value: …}."""
    names = (value.get(key) for key in ("Name", "name", "Key", "key"))
    is_secret = any(isinstance(name, str) and is_secret_name(name.rpartition("/")[2]) for name in names)
    is_secret = is_secret or value.get("Type") == "SecureString"
    return frozenset({"Value", "value"}) if is_secret else frozenset()


def _assigned(found: re.Match[str]) -> str:
    value = found["value"]
    opening = '\\"' if value.startswith('\\"') else value[:1] if value[:1] in ('"', "'") else ""
    inside = value.removeprefix(opening)
    closing = opening if opening and inside.endswith(opening) else ""
    inside = inside.removesuffix(closing) if closing else inside
    if inside.casefold() in _TELLS_NOTHING or inside.lstrip().startswith(("{{", "***", "$")):
        return found[0]
    return f"{found['head']}{opening}{MASK}{closing}"
