"""Who calls AWS: a role under a session name, or the process itself; decided per request, for shared clients."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

NOT_IN_SESSION_NAMES: Final = re.compile(r"[^\w+=,.@-]+", re.ASCII)
_SIGNS: Final[ContextVar[Any]] = ContextVar("credentials of the call being made", default=None)

Keys = tuple[str, str, str]
"""Access key id, secret access key, session token: of a role that a script has assumed itself."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A role under a session name; without a role, the process itself."""

    role_arn: str = ""
    session_name: str = ""
    external_id: str = ""


OURSELVES: Final = Identity()


def role_session_name(name: str) -> str:
    """A name as RoleSessionName allows it: 2 to 64 letters, digits and signs of `+=,.@-`."""
    allowed = NOT_IN_SESSION_NAMES.sub("-", name).strip("-")[:64]
    return allowed if len(allowed) > 1 else "playbook-bot"


def sign_as_caller(context: dict[str, Any], **_: object) -> None:
    """Botocore's hook before a request is built: sign it with the credentials of the call being made."""
    credentials = _SIGNS.get()
    if credentials is not None:
        context.setdefault("signing", {})["request_credentials"] = credentials


@contextmanager
def signing_with(credentials: Any) -> Iterator[None]:
    """Sign what this thread calls inside the block with `credentials`; None = the client's own."""
    before = _SIGNS.set(credentials)
    try:
        yield
    finally:
        _SIGNS.reset(before)
