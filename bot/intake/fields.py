"""Single values of a message from outside: what they must be, and the sentence when they are not. Pure.

Names and ids go into keys, so they are refused when they cannot be right. Texts are for people, so they are made
harmless: no control characters, no halves of characters, no novels.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from infra.canonical import digest

LONGEST_NAME: Final = 255
"""CloudWatch's limit of an alarm's name."""
LONGEST_ARN: Final = 500
LONGEST_ID: Final = 256
LONGEST_TEXT: Final = 8_192
SHOWN: Final = 80
FIRST_YEAR: Final = 2009
"""CloudWatch began."""
LAST_YEAR: Final = 2199
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and halves of characters: no name of AWS's has one, and no database takes them all."""
_UNFIT: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\u202a-\u202e\u2066-\u2069]")
"""What a text must not bring: the same without line ends and tabs, and marks that turn the direction of writing."""
_REGION: Final = re.compile(r"[A-Za-z0-9-]{2,40}")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_]{1,32}")


class PayloadRefused(Exception):
    """The message cannot be what it claims to be; the message of this error says why."""


def shown(value: object) -> str:
    """A value as an error message may quote it."""
    plain = _UNFIT.sub("\N{REPLACEMENT CHARACTER}", str(value))
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}…"


def needed(tree: Mapping[str, Any], key: str) -> Any:
    """The value of a key that must be there. Raises PayloadRefused."""
    value = tree.get(key)
    if value is None:
        raise PayloadRefused(f'the message has no "{key}"')
    return value


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """A map, or an empty one where there is nothing. Raises PayloadRefused."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise PayloadRefused(f'"{what}" should be a map and is "{shown(value)}"')
    return value


def sequence(value: object, what: str) -> Sequence[Any]:
    """A list, or an empty one where there is nothing. Raises PayloadRefused."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise PayloadRefused(f'"{what}" should be a list and is "{shown(value)}"')
    return value


def text(value: object) -> str:
    """What somebody wrote, made harmless; nothing is an empty text."""
    if value in (None, ""):
        return ""
    plain = _UNFIT.sub("\N{REPLACEMENT CHARACTER}", str(value).replace("\r\n", "\n"))
    return plain if len(plain) <= LONGEST_TEXT else f"{plain[: LONGEST_TEXT - 1]}…"


def name(value: object, what: str, *, longest: int = LONGEST_NAME) -> str:
    """A name that keys are made of. Raises PayloadRefused."""
    if not isinstance(value, str) or not value.strip():
        raise PayloadRefused(f'"{what}" should be a name and is "{shown(value)}"')
    if len(value) > longest:
        raise PayloadRefused(f'"{what}" has {len(value)} characters, and {longest} is the most')
    if _CONTROL.search(value):
        raise PayloadRefused(f'"{what}" holds control characters: "{shown(value)}"')
    return value


def arn(value: object, what: str) -> str:
    """An alarm's ARN, or "" where there is none. Raises PayloadRefused."""
    if value in (None, ""):
        return ""
    found = name(value, what, longest=LONGEST_ARN)
    parts = found.split(":", 6)
    if len(parts) != 7 or parts[0] != "arn" or parts[5] != "alarm":
        raise PayloadRefused(f'"{what}" is not the ARN of an alarm: "{shown(found)}"')
    return ":".join([*parts[:6], parts[6].lstrip()])


def region(value: object) -> str:
    """A Region's code. Raises PayloadRefused."""
    if not isinstance(value, str) or not _REGION.fullmatch(value):
        raise PayloadRefused(f'"{shown(value)}" is not a Region')
    return value


def account(value: object) -> str:
    """An account's id, "" where an old message has none. Raises PayloadRefused."""
    found = str(value or "")
    if found and not _ACCOUNT.fullmatch(found):
        raise PayloadRefused(f'"{shown(found)}" is not an account')
    return found


def identifier(value: object) -> str:
    """An opaque id; one that is too long to be a key is replaced by its digest."""
    found = text(value)
    return found if len(found) <= LONGEST_ID else digest(str(value))


def pairs(value: object, what: str) -> dict[str, str]:
    """Names and values, as a list of `{name, value}` in either case or as a map. Raises PayloadRefused."""
    if isinstance(value, Mapping):
        return {text(key): text(item) for key, item in value.items()}
    found = {}
    for each in sequence(value, what):
        pair = mapping(each, what)
        found[text(pair.get("name", pair.get("Name")))] = text(pair.get("value", pair.get("Value")))
    return found


def moment(value: object) -> datetime:
    """AWS's spellings: `2026-01-31T03:00:00.000+0000`, with `Z`, with nanoseconds. Raises PayloadRefused."""
    spelled = str(value).strip()
    if len(spelled) > 5 and spelled[-5] in "+-" and spelled[-3] != ":":
        spelled = f"{spelled[:-2]}:{spelled[-2:]}"
    head, dot, tail = spelled.partition(".")
    if dot:
        rest = tail.lstrip("0123456789")
        spelled = f"{head}.{tail[: len(tail) - len(rest)][:6].ljust(6, '0')}{rest}"
    try:
        found = datetime.fromisoformat(spelled)
    except ValueError as error:
        raise PayloadRefused(f'"{shown(value)}" is not a moment') from error
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise PayloadRefused(f'"{shown(value)}" is no moment at which an alarm could have changed')
    return found if found.tzinfo else found.replace(tzinfo=UTC)
