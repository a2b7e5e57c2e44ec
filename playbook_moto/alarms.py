"""Alarms that act: SetAlarmState reaches SNS, EventBridge and EC2, and a rule of EventBridge starts a runbook."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.ec2.models import ec2_backends
from moto.events.models import Rule
from moto.events.utils import EventTemplateParser
from moto.ssm.models import ssm_backends

from bot.demo import moto_alarms
from bot.demo.moto_messages import State
from playbook_moto.world import Settings, world_of

DEFINITION: Final = ":automation-definition/"
VERBS: Final = {
    "stop": "stop_instances",
    "terminate": "terminate_instances",
    "reboot": "reboot_instances",
    "recover": "reboot_instances",
}
"""CloudWatch's own actions on an instance (arn:aws:automate:REGION:ec2:VERB) -> moto's method."""


def install(settings: Settings) -> None:
    """Teach this process's moto."""
    moto_alarms.install(on_transition=_act_on_instances)
    plain = Rule.send_to_targets

    def send_to_targets(self: Rule, original_event: Any, transform_input: bool = True) -> None:  # noqa: FBT001, FBT002 - moto's own signature
        """Start runbooks; moto does the rest."""
        runbooks = [target for target in self.targets if DEFINITION in target["Arn"]]
        if not runbooks:
            plain(self, original_event, transform_input)
            return
        every, self.targets = self.targets, [target for target in self.targets if target not in runbooks]
        try:
            plain(self, original_event, transform_input)
        finally:
            self.targets = every
        if self.state == "ENABLED" and self.event_pattern.matches_event(original_event):
            for target in runbooks:
                _start(target, original_event, settings)

    Rule.send_to_targets = send_to_targets  # type: ignore[method-assign]


def _start(target: Mapping[str, Any], event: Any, settings: Settings) -> None:
    """As EventBridge does: the input of the target is the runbook's parameters."""
    _, _, _, region, account, rest = target["Arn"].split(":", 5)
    name, _, version = rest.partition("/")[2].partition(":")
    given: dict[str, Any] = {"DocumentName": name, "Parameters": _parameters(target, event)}
    if version:
        given["DocumentVersion"] = version
    backend = ssm_backends[account][region]
    world_of(backend, settings).call("StartAutomationExecution", given, "AKIAEVENTBRIDGE")


def _parameters(target: Mapping[str, Any], event: Any) -> dict[str, list[str]]:
    found = json.loads(target["Input"]) if target.get("Input") else _transformed(target, event)
    return {
        key: [str(each) for each in value] if isinstance(value, list) else [str(value)] for key, value in found.items()
    }


def _transformed(target: Mapping[str, Any], event: Any) -> Mapping[str, Any]:
    transformer = target.get("InputTransformer")
    if not transformer:
        return {}
    template, paths = transformer.get("InputTemplate"), transformer.get("InputPathsMap", {})
    seconds = event["time"] if isinstance(event["time"], (int, float)) else _seconds(event["time"])
    whole: Any = {**event, "time": seconds, "ingestion-time": event.get("ingestion-time", seconds)}
    found: Mapping[str, Any] = EventTemplateParser.parse(template, paths, whole)
    return found


def _seconds(moment: str) -> float:
    """Moto keeps times as numbers until it delivers."""
    return datetime.fromisoformat(moment).timestamp()


def _act_on_instances(backend: CloudWatchBackend, alarm: Alarm, _: State) -> None:
    actions = {
        "ALARM": alarm.alarm_actions,
        "OK": alarm.ok_actions,
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
    }[alarm.state_value]
    instance = next((each.value for each in alarm.dimensions if each.name == "InstanceId"), None)
    for arn in actions or () if alarm.actions_enabled and instance else ():
        parts = arn.split(":")
        if parts[2] == "automate" and parts[4] == "ec2" and parts[5] in VERBS:
            getattr(ec2_backends[backend.account_id][backend.region_name], VERBS[parts[5]])([instance])
