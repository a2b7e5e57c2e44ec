"""Which IAM actions a script needs, derived from its boto3 calls; nothing of it is run. Pure.

Clients, sessions, resources, collections, paginators, waiters and presigned URLs are followed through variables,
functions, classes and containers (engine/scripts/boto_walk.py).
"""

import ast
import functools
import warnings
from dataclasses import dataclass

from engine.scripts.boto_values import UNKNOWN
from engine.scripts.boto_walk import Seen, Walk
from infra.iam_actions import iam_actions


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """One call of AWS that a script can make: where it stands (from 1), and what IAM must allow for it."""

    service: str
    operation: str
    line: int
    column: int
    actions: tuple[str, ...]
    is_foreign: bool = False
    """Whether it is made with other credentials (an assumed role's), not with the execution's role."""


@dataclass(frozen=True, slots=True)
class UnknownCall:
    """A call whose service or operation cannot be told from the text; `sentence` says which half is missing."""

    service: str
    method: str
    line: int
    column: int
    sentence: str
    is_wrong: bool = False
    """Whether the service is known and has no such method."""


@dataclass(frozen=True, slots=True)
class ScriptNeeds:
    """What a script needs. `is_readable` is False where the text is no Python."""

    calls: tuple[ScriptCall, ...] = ()
    unknown: tuple[UnknownCall, ...] = ()
    is_readable: bool = True

    @property
    def actions(self) -> tuple[str, ...]:
        """The IAM actions that the execution's own role needs, sorted."""
        return tuple(sorted({action for call in self.calls if not call.is_foreign for action in call.actions}))


@functools.lru_cache(maxsize=512)
def actions_of(source: str) -> ScriptNeeds:
    """What a Python script needs. Never raises for what a script may say."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        seen = Walk(tree).read()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ScriptNeeds(is_readable=False)
    calls = [_call(each) for each in seen if each.operation]
    unknown = [_unknown(each) for each in seen if not each.operation]
    return ScriptNeeds(tuple(dict.fromkeys(calls)), tuple(dict.fromkeys(unknown)))


def _call(seen: Seen) -> ScriptCall:
    actions = iam_actions(seen.service, seen.operation)
    return ScriptCall(seen.service, seen.operation, seen.line, seen.column, actions, seen.is_foreign)


def _unknown(seen: Seen) -> UnknownCall:
    if seen.service == UNKNOWN:
        text = f".{seen.method}() is called on a client whose service only the running script knows"
        return UnknownCall("", seen.method, seen.line, seen.column, text)
    if (
        not seen.method
        or seen.method in ("get_paginator", "get_waiter", "paginate", "wait")
        or (seen.method.startswith("generate_presigned"))
    ):
        text = f"an operation of {seen.service} is called that only the running script knows"
        return UnknownCall(seen.service, seen.method, seen.line, seen.column, text)
    text = f'a client of {seen.service} has no method "{seen.method}"'
    return UnknownCall(seen.service, seen.method, seen.line, seen.column, text, is_wrong=True)
