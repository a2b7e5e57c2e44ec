"""What state an alarm is in and what kind of alarm it is, whatever the wire. Pure."""

from collections.abc import Iterable
from typing import Final, cast

from bot.intake.fields import PayloadRefused, shown
from playbooks.alarm import AlarmKind, AlarmMetric, AlarmState

STATES: Final = ("ALARM", "OK", "INSUFFICIENT_DATA")


def state_of(value: object) -> AlarmState:
    """CloudWatch's three states, also in the spelling with a blank. Raises PayloadRefused."""
    found = str(value).replace(" ", "_").upper()
    if found not in STATES:
        raise PayloadRefused(f'the alarm state "{shown(value)}" is not one of {", ".join(STATES)}')
    return cast("AlarmState", found)


def kind_of(metrics: Iterable[AlarmMetric]) -> AlarmKind:
    """The kind of an alarm that has no rule, by its expressions."""
    expressions = [metric.expression.lstrip().upper() for metric in metrics if metric.expression]
    if any(expression.startswith("SELECT") for expression in expressions):
        return "insights"
    if any("ANOMALY_DETECTION_BAND" in expression for expression in expressions):
        return "anomaly"
    return "math" if expressions else "metric"
