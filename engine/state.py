"""How an execution is spelled in its row: JSON, tolerant of fields that a newer version added. Pure."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from audit.events import Actor
from engine.execution import Execution, LoopFrame, Status, StepExecution

_STEP_FIELDS = tuple(field.name for field in fields(StepExecution))
_STEP_TIMES = tuple(name for name in _STEP_FIELDS if name.endswith("_at"))
_FIELDS = tuple(field.name for field in fields(Execution) if field.name not in ("steps", "loop", "version"))
_TIMES = frozenset(
    field.name for kind in (StepExecution, Execution) for field in fields(kind) if field.name.endswith("_at")
)


def encode(execution: Execution) -> str:
    """The execution as JSON text."""
    plain = {name: _plain(getattr(execution, name)) for name in _FIELDS}
    plain["steps"] = [_plain_step(step) for step in execution.steps]
    loop = execution.loop
    plain["loop"] = None if loop is None else {field.name: getattr(loop, field.name) for field in fields(LoopFrame)}
    return json.dumps(plain, separators=(",", ":"), default=dict)


def _plain_step(step: StepExecution) -> dict[str, Any]:
    found = {name: getattr(step, name) for name in _STEP_FIELDS}
    for name in _STEP_TIMES:
        if found[name] is not None:
            found[name] = found[name].isoformat()
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Actor):
        return [value.kind, value.id, value.name]
    return value


def decode(text: str, *, version: int) -> Execution:
    """The execution of a row. Members that this version does not know are ignored."""
    plain = json.loads(text)
    known = {name: _value(name, plain[name]) for name in _FIELDS if name in plain}
    known["steps"] = tuple(_step(step) for step in plain["steps"])
    known["loop"] = _frame(plain["loop"]) if plain.get("loop") else None
    return Execution(**known, version=version)


def _step(plain: Mapping[str, Any]) -> StepExecution:
    """One step; there may be many, and all are read at every move, so that only what needs it is looked at."""
    known = {name: plain[name] for name in _STEP_FIELDS if name in plain}
    for name in _STEP_TIMES:
        if known.get(name) is not None:
            known[name] = datetime.fromisoformat(known[name])
    known["status"] = Status(known["status"])
    known["signals"] = tuple(known.get("signals", ()))
    return StepExecution(**known)


def _frame(plain: Mapping[str, Any]) -> LoopFrame:
    items = plain["items"]
    return LoopFrame(**{**plain, "items": None if items is None else tuple(items)})


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return datetime.fromisoformat(value)
    if name in ("started_by", "cancelled_by"):
        return Actor(*value)
    if name in ("status", "bad"):
        return Status(value)
    return tuple(value) if name in ("secrets", "first", "skipped") else value
