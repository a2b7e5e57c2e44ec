"""Alarms, playbooks and folders to try things on."""

import textwrap
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.actions import BY_NAME
from engine.validation import parse
from playbooks.alarm import Alarm, AlarmMetric
from playbooks.catalog import Catalog, load
from playbooks.playbook import AlarmTrigger, Playbook

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
INSTANCE = "i-0b7d1c44e9f2a6d35"
NAP = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: String}
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}
"""
ASKING = """\
schemaVersion: "0.3"
assumeRole: "{{ Role }}"
parameters:
  InstanceId: {type: "AWS::EC2::Instance::Id"}
  Approvers: {type: StringList}
  Size: {type: String, default: small, allowedValues: [small, large]}
  Role: {type: String, default: ""}
mainSteps:
  - {name: ask, action: "aws:approve", inputs: {Approvers: ["{{ Approvers }}"]}}
"""


def metric(namespace: str = "AWS/EC2", name: str = "CPUUtilization", **dimensions: str) -> AlarmMetric:
    """A metric that an alarm looks at."""
    return AlarmMetric("m1", namespace, name, dimensions or {"InstanceId": INSTANCE})


def alarm(**fields: Any) -> Alarm:
    """An alarm on an instance's CPU."""
    usual = Alarm("web-1-cpu", "ALARM", "402715938824", "eu-west-1", NOON, metrics=(metric(),), tags={"team": "shop"})
    return replace(usual, **fields)


def playbook(trigger: AlarmTrigger | None = None, *, runbook: str = NAP, **fields: Any) -> Playbook:
    """A playbook of that trigger."""
    name = str(fields.pop("name", "nap"))
    return Playbook(name, "A nap", parse(runbook, name=name), trigger=trigger, **fields)


def folder(root: Path, name: str, playbook_yaml: str, runbook: str = NAP, **files: str) -> Path:
    """Write a playbook's folder."""
    home = root / name
    home.mkdir(parents=True)
    texts: Mapping[str, str] = {"playbook.yaml": textwrap.dedent(playbook_yaml), "runbook.yaml": runbook, **files}
    for file, text in texts.items():
        if text:
            (home / file).write_text(text, encoding="utf-8")
    return home


def catalog(*folders: Path, **options: Any) -> Catalog:
    """The catalog of the folders."""
    return load(folders, available_actions=BY_NAME, **options)
