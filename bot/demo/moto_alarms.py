"""Makes moto's alarms act: SetAlarmState reaches EventBridge, SNS, Lambda and Auto Scaling, once per transition.

`install()` is all a test or a server needs; it is idempotent and works for `mock_aws` and for moto's server alike.
"""

import copy
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from moto.autoscaling.models import autoscaling_backends
from moto.awslambda.utils import get_backend
from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.events.models import EventBus, Rule, events_backends
from moto.events.utils import EventTemplateParser
from moto.sns.models import sns_backends

from bot.demo import moto_messages, moto_sns
from bot.demo.moto_messages import State

log = structlog.get_logger()

Listener = Callable[[CloudWatchBackend, Alarm, State], None]
"""Called after a transition with the backend, the alarm and the state it left."""

_plain_set_alarm_state = CloudWatchBackend.set_alarm_state
_plain_send_to_targets = Rule.send_to_targets
_plain_parse = EventTemplateParser.parse


def install(*, on_transition: Listener | None = None, certificates_at: str = "") -> None:
    """Teach this process's moto; the last call counts. `certificates_at` is for `moto_sns`."""

    def set_alarm_state(
        self: CloudWatchBackend, alarm_name: str, reason: str, reason_data: str, state_value: str
    ) -> None:
        old = State.of(self.alarms[alarm_name]) if alarm_name in self.alarms else None
        _plain_set_alarm_state(self, alarm_name, reason, reason_data, state_value)
        if old is None or old.value == state_value:
            return
        alarm = self.alarms[alarm_name]
        fire(self, alarm, old)
        if on_transition is not None:
            on_transition(self, alarm, old)

    moto_sns.install(certificates_at=certificates_at)
    CloudWatchBackend.set_alarm_state = set_alarm_state  # type: ignore[method-assign]
    Rule.send_to_targets = _send_to_targets  # type: ignore[method-assign]
    EventTemplateParser.parse = staticmethod(_parse)  # type: ignore[method-assign]


def fire(backend: CloudWatchBackend, alarm: Alarm, old: State) -> None:
    """Tell EventBridge always, and the alarm's topics when its actions are enabled: as CloudWatch does."""
    account = backend.account_id
    bus = events_backends[account][backend.region_name].describe_event_bus("default")
    put(bus, moto_messages.event(alarm, old, account=account))
    if alarm.actions_enabled:
        for arn in _actions(alarm):
            _act(arn, alarm, old, account=account)


def put(bus: EventBus, event: Any) -> None:
    """Offer a complete event to every rule of a bus; unlike PutEvents it may be AWS's own."""
    for rule in list(bus.rules.values()):
        rule.send_to_targets(copy.deepcopy(event))


def _actions(alarm: Alarm) -> list[str]:
    by_state = {
        "ALARM": alarm.alarm_actions,
        "OK": alarm.ok_actions,
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
    }
    return list(by_state[alarm.state_value] or [])


def _act(arn: str, alarm: Alarm, old: State, *, account: str) -> None:
    """One action; CloudWatch tells nobody whether it came to anything, and neither do we, but for the log."""
    _, _, service, region, owner, rest = arn.split(":", 5)
    match service:
        case "sns":
            _publish(arn, region, owner, alarm, old, account=account)
        case "lambda":
            _invoke(rest, region, owner, moto_messages.lambda_event(alarm, old, account=account))
        case "autoscaling":
            _scale(arn, region, owner)
        case "automate":
            pass  # CloudWatch's own, on instances: playbook_moto/alarms.py
        case _:
            log.warning("moto does not carry out this action of an alarm", alarm=alarm.name, action=arn)


def _publish(arn: str, region: str, owner: str, alarm: Alarm, old: State, *, account: str) -> None:
    message = json.dumps(moto_messages.sns_message(alarm, old, account=account), separators=(",", ":"))
    topic = sns_backends[owner][region].topics.get(arn)
    if topic is not None:
        topic.publish(message, subject=moto_messages.sns_subject(alarm))


def _invoke(function: str, region: str, owner: str, event: Mapping[str, Any]) -> None:
    name, _, qualifier = function.removeprefix("function:").partition(":")
    try:
        get_backend(owner, region).invoke(name, qualifier or None, json.dumps(event), {}, {})
    except Exception:  # whatever a function or moto's Docker raises: CloudWatch does not wait for it
        log.exception("a function that an alarm invokes has failed", function=name)


def _scale(arn: str, region: str, owner: str) -> None:
    policies = autoscaling_backends[owner][region].policies.values()
    for policy in [each for each in policies if each.arn == arn]:
        policy.execute()


def _parse(input_template: str, input_paths_map: dict[str, Any], event: Any) -> dict[str, Any]:
    """Without an InputTransformer the event is delivered as it is; moto's own template drops `account`."""
    if input_template:
        return _plain_parse(input_template, input_paths_map, event)
    return {name: value for name, value in event.items() if name != "ingestion-time"}


def _send_to_targets(self: Rule, original_event: Any, transform_input: bool = True) -> None:  # noqa: FBT001, FBT002 - moto's own signature
    """A bus as target gets the same event, in whatever Region it is; moto would make a new one of it there."""
    if self.state != "ENABLED" or not self.event_pattern.matches_event(original_event):
        return
    buses = [target for target in self.targets if ":event-bus/" in target["Arn"]]
    for target in buses:
        _, _, _, region, account, name = target["Arn"].split(":", 5)
        put(events_backends[account][region].describe_event_bus(name.partition("/")[2]), original_event)
    rest = copy.copy(self)
    rest.targets = [target for target in self.targets if target not in buses]
    _plain_send_to_targets(rest, _as_moto_wants(original_event), transform_input)


def _as_moto_wants(event: Any) -> Any:
    """Moto keeps times as numbers until it delivers."""
    time = event["time"]
    seconds = datetime.fromisoformat(time).timestamp() if isinstance(time, str) else time
    return {**event, "time": seconds, "ingestion-time": event.get("ingestion-time", seconds)}
