"""Access keys of our own, and whom they stand for. Pure.

`AKID:SECRET:actor`, or `ASIA…:SECRET:TOKEN:actor` for a key that is only good with its session token. The actor is a
user's name, `role/ROLE/SESSION`, or the ARN of a user or an assumed role.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

TEMPORARY: Final = "ASIA"
"""AWS's prefix of keys that come with a session token."""
_ROLE_SESSION: Final = re.compile(r"role/(?P<role>[\w+=,.@/-]+)/(?P<session>[\w+=,.@-]+)", re.ASCII)
_ARN: Final = re.compile(r"arn:(?P<partition>aws[a-z-]*):(?P<service>iam|sts)::(?P<account>\d{12}):(?P<rest>.+)")
_NAME: Final = re.compile(r"[\w+=,.@/-]{1,128}", re.ASCII)


class KeysInvalid(Exception):
    """The setting api_keys cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who signs with a key: an ARN, a name for reading, and everything else that an Approvers list may call it."""

    arn: str
    name: str
    spellings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One key. `token` is "" for a key that needs none."""

    id: str
    principal: Principal
    secret: str = field(repr=False, default="")
    token: str = field(repr=False, default="")


def access_keys(entries: Iterable[str], account: str) -> Mapping[str, AccessKey]:
    """The keys of the setting, by id. Raises KeysInvalid."""
    found: dict[str, AccessKey] = {}
    for number, entry in enumerate(entries, 1):
        key = _access_key(entry.strip(), number, account)
        if key.id in found:
            raise KeysInvalid(f"api_keys: the key {key.id} stands there twice; every key is somebody's own")
        found[key.id] = key
    return found


def _access_key(entry: str, number: int, account: str) -> AccessKey:
    is_temporary = entry.startswith(TEMPORARY)
    parts = entry.split(":", 3 if is_temporary else 2)
    if len(parts) != (4 if is_temporary else 3) or not all(parts):
        shape = f"{TEMPORARY}…:SECRET:TOKEN:actor" if is_temporary else "AKID:SECRET:actor"
        raise KeysInvalid(f"api_keys: entry {number} should be {shape}, comma separated")
    token = parts[2] if is_temporary else ""
    return AccessKey(parts[0], principal(parts[-1], account), parts[1], token)


def principal(actor: str, account: str) -> Principal:
    """The principal an actor presents. Raises KeysInvalid."""
    session = _ROLE_SESSION.fullmatch(actor)
    if session is not None:
        return _assumed("aws", account, session["role"], session["session"])
    arn = _ARN.fullmatch(actor)
    if arn is None:
        if not _NAME.fullmatch(actor):
            raise KeysInvalid(f'api_keys: "{actor}" is no name of a user (letters, digits and _+=,.@/-) and no ARN')
        return _user(f"arn:aws:iam::{account}:user/{actor}", actor)
    kind, _, rest = arn["rest"].partition("/")
    if (arn["service"], kind) == ("iam", "user") and rest:
        return _user(actor, rest.rpartition("/")[2])
    role, _, session_name = rest.rpartition("/")
    if (arn["service"], kind) == ("sts", "assumed-role") and role:
        return _assumed(arn["partition"], arn["account"], role, session_name)
    raise KeysInvalid(
        f"api_keys: {actor} is neither a user (…:user/NAME) nor an assumed role (…:assumed-role/ROLE/SESSION)"
    )


def _user(arn: str, name: str) -> Principal:
    return Principal(arn, name, frozenset({arn, name}))


def _assumed(partition: str, account: str, role: str, session: str) -> Principal:
    """A session of a role may do what the role's ARN is listed for, too."""
    arn = f"arn:{partition}:sts::{account}:assumed-role/{role.rpartition('/')[2]}/{session}"
    return Principal(arn, session, frozenset({arn, f"arn:{partition}:iam::{account}:role/{role}"}))
