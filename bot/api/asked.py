"""One call that was understood: who asks for what. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from audit.events import Actor
from bot.api.errors import ApiError
from bot.api.pages import Page, page
from playbooks.people import Identity, actor_of

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose signature and members hold. `region` is the one it was signed for."""

    operation: str
    given: Mapping[str, Any]
    by: Identity
    principal: str
    region: str

    @property
    def actor(self) -> Actor:
        """The caller, as the trail names it."""
        return actor_of(self.by)

    @property
    def page(self) -> Page:
        """The page of a list that is asked for. Raises ApiError."""
        return page(self.operation, self.given)

    def text(self, name: str) -> str:
        """A member, or ""."""
        return str(self.given.get(name) or "")


Operation = Callable[[Asked], Answer]


def moment(text: str) -> datetime:
    """A filter's moment: ISO 8601, or seconds (or milliseconds) since 1970. Raises ApiError."""
    try:
        if text.replace(".", "", 1).isdecimal():
            seconds = float(text)
            return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        message = f'"{text}" is no moment; write it as 2026-11-25T03:02:10Z'
        raise ApiError("InvalidFilterValue", message) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def tags(given: Any) -> dict[str, str]:
    """A list of Key and Value as a map. Raises ApiError for a key that stands there twice."""
    found = {tag["Key"]: tag["Value"] for tag in given or ()}
    if len(found) != len(given or ()):
        raise ApiError("ValidationException", "Every tag key may stand there once.")
    return found


def tag_list(found: Mapping[str, str]) -> list[dict[str, str]]:
    """A map as a list of Key and Value."""
    return [{"Key": key, "Value": value} for key, value in found.items()]
