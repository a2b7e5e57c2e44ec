"""From an alarm to the parameters of a runbook: `{{ alarm.dimensions.InstanceId }}`. Pure.

Values of the alarm are inserted once and never scanned again.
"""

import re
from collections.abc import Mapping
from typing import Final

from infra.canonical import Json
from playbooks.alarm import Alarm
from playbooks.playbook import Playbook

TEMPLATE: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
FIELDS: Final = ("name", "arn", "state", "reason", "description", "region", "account")
TABLES: Final = ("dimensions", "tags")
KNOWN: Final = (
    *(f"alarm.{field}" for field in FIELDS),
    *(f"alarm.{table}.NAME" for table in TABLES),
    "playbook.approvers",
    "playbook.name",
)
"""What a mapping may use."""


class MappingFailed(Exception):
    """The alarm does not have what the playbook needs; the message names both."""


def parameters_from(
    playbook: Playbook, alarm: Alarm | None, *, given: frozenset[str] = frozenset()
) -> Mapping[str, Json]:
    """The runbook's parameters as the playbook maps them. Raises MappingFailed.

    Without an alarm, parameters that need one are left out: a person gives them. Those in `given` are not needed.
    """
    found: dict[str, Json] = {}
    for name, template in playbook.parameters.items():
        if name in given and name not in playbook.fixed:
            continue
        if alarm is None and _needs_alarm(template):
            continue
        found[name] = _filled(template, playbook, alarm, name)
    return found


def _needs_alarm(template: Json) -> bool:
    return any(reference.startswith("alarm.") for reference in template_references(template))


def template_references(template: Json) -> list[str]:
    """Names in the braces of a mapping."""
    if isinstance(template, str):
        return TEMPLATE.findall(template)
    if isinstance(template, list):
        return [name for item in template for name in template_references(item)]
    if isinstance(template, dict):
        return [name for item in template.values() for name in template_references(item)]
    return []


def _filled(template: Json, playbook: Playbook, alarm: Alarm | None, name: str) -> Json:
    if isinstance(template, str):
        whole = TEMPLATE.fullmatch(template.strip())
        if whole is not None:
            return _value(whole[1], playbook, alarm, name)
        return TEMPLATE.sub(lambda match: str(_value(match[1], playbook, alarm, name)), template)
    if isinstance(template, list):
        filled: list[Json] = []
        for item in template:
            value = _filled(item, playbook, alarm, name)
            filled += value if isinstance(value, list) else [value]
        return filled
    if isinstance(template, dict):
        return {key: _filled(item, playbook, alarm, name) for key, item in template.items()}
    return template


def _value(reference: str, playbook: Playbook, alarm: Alarm | None, name: str) -> Json:
    if not is_known_reference(reference):
        raise MappingFailed(f"{playbook.name}: {name} wants {reference or 'nothing'}, which nobody knows.")
    root, _, path = reference.partition(".")
    if root == "playbook":
        return [*playbook.approvers] if path == "approvers" else playbook.name
    if alarm is None:
        raise MappingFailed(f"{playbook.name}: {name} comes from an alarm, and there is none.")
    kind, dot, key = path.partition(".")
    if dot and kind in TABLES:
        table: Mapping[str, str] = getattr(alarm, kind)
        if key not in table:
            raise MappingFailed(f"Alarm {alarm.name} {_lack(alarm, kind, key)} {playbook.name} needs for {name}.")
        return table[key]
    value: Json = getattr(alarm, path)
    return value


def _lack(alarm: Alarm, kind: str, key: str) -> str:
    """Why there is no such value: none at all, or too many to choose from."""
    several = sorted({metric.dimensions[key] for metric in alarm.metrics if key in metric.dimensions})
    if kind == "dimensions" and len(several) > 1:
        return f"looks at several values of {key} ({', '.join(several)}), and one is what"
    known = ", ".join(sorted(getattr(alarm, kind))) or "none"
    return f"has no {kind.removesuffix('s')} {key} (it has: {known}), which"


def is_known_reference(reference: str) -> bool:
    """Whether a mapping may use it."""
    root, _, path = reference.partition(".")
    table, dot, key = path.partition(".")
    return reference in KNOWN or (root == "alarm" and bool(dot) and table in TABLES and bool(key))
