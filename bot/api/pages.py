"""Pages of a list: NextToken says where the last page ended, and which question it was. Pure."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from bot.api.errors import ApiError
from infra.canonical import digest

DEFAULT: Final = 50
"""Entries of a page, unless MaxResults says fewer."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which page is asked for: after which entry ("" = from the start), and how long."""

    question: str
    after: str
    limit: int

    def next_token(self, last: str) -> str:
        """The token of the page after this one."""
        text = json.dumps({"question": self.question, "after": last})
        return base64.urlsafe_b64encode(text.encode()).decode()

    def cut(self, found: Sequence[T]) -> tuple[Sequence[T], bool]:
        """The entries of this page, where one more was looked for; and whether there are more."""
        return found[: self.limit], len(found) > self.limit


def page(operation: str, given: Mapping[str, Any]) -> Page:
    """The page that a request asks for. Raises ApiError for a token that is not ours, or of another question."""
    asked = {name: value for name, value in given.items() if name not in ("NextToken", "MaxResults")}
    question = digest([operation, asked])[:16]
    token = str(given.get("NextToken") or "")
    limit = min(int(given.get("MaxResults") or DEFAULT), DEFAULT)
    return Page(question, _after(token, question) if token else "", limit)


def invalid_token() -> ApiError:
    """The token leads nowhere."""
    return ApiError(
        "InvalidNextToken", "The NextToken is not valid: take it, with the same filters, from the last answer."
    )


def _after(token: str, question: str) -> str:
    try:
        found = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
        after, asked = found["after"], found["question"]
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise invalid_token() from None
    if asked != question or not isinstance(after, str) or not after or "\x00" in after:
        raise invalid_token()
    return after
