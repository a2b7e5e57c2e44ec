"""Ties the demo's alarms to the instances they watch: red impairs the instance, a fresh start turns the alarm green."""

from datetime import UTC, datetime

from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import Instance

from bot.demo import datapoints, moto_alarms, moto_instances
from bot.demo.moto_instances import Pace

CHECKS = {
    "StatusCheckFailed_System": "system",
    "StatusCheckFailed_Instance": "instance",
    "StatusCheckFailed": "instance",
}
HEALTHY_DATAPOINT = 0.0


def install(pace: Pace, *, certificates_at: str = "") -> None:
    """Teach this process's moto that alarms act, that instances take time, and what the two have to do."""
    moto_alarms.install(
        on_transition=lambda backend, alarm, _: _follow(backend, alarm), certificates_at=certificates_at
    )
    moto_instances.install(pace, on_fresh=_heal)


def _follow(backend: CloudWatchBackend, alarm: Alarm) -> None:
    instance = _watched(backend, alarm)
    check = CHECKS.get(alarm.metric_name, "")
    if instance is not None and check:
        moto_instances.impair(instance, check if alarm.state_value == "ALARM" else "")


def _watched(backend: CloudWatchBackend, alarm: Alarm) -> Instance | None:
    wanted = {dimension.value for dimension in alarm.dimensions if dimension.name == "InstanceId"}
    instances = ec2_backends[backend.account_id][backend.region_name].all_instances()
    return next((instance for instance in instances if instance.id in wanted), None)


def _heal(instance: Instance) -> None:
    backend = cloudwatch_backends[instance.ec2_backend.account_id][instance.ec2_backend.region_name]
    for alarm in list(backend.alarms.values()):
        is_watched = any((one.name, one.value) == ("InstanceId", instance.id) for one in alarm.dimensions)
        still_fails = CHECKS.get(alarm.metric_name, "-") == moto_instances.impaired_check(instance)
        if is_watched and alarm.state_value == "ALARM" and not still_fails:
            _turn_green(backend, alarm)


def _turn_green(backend: CloudWatchBackend, alarm: Alarm) -> None:
    now, threshold = datetime.now(UTC), float(alarm.threshold)
    reason = datapoints.reason(
        "OK", HEALTHY_DATAPOINT, threshold=threshold, comparison=alarm.comparison_operator, at=now
    )
    data = datapoints.reason_data(
        HEALTHY_DATAPOINT, statistic=alarm.statistic, period=int(alarm.period), threshold=threshold, at=now
    )
    backend.set_alarm_state(alarm.name, reason, data, "OK")
