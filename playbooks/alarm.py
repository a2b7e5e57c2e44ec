"""An alarm as every door hands it over, whatever the wire looked like. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from infra.canonical import digest

AlarmState = Literal["ALARM", "OK", "INSUFFICIENT_DATA"]
AlarmKind = Literal["metric", "math", "anomaly", "composite", "insights"]


@dataclass(frozen=True, slots=True)
class AlarmMetric:
    """One metric the alarm looks at. An expression has no namespace."""

    id: str
    namespace: str = ""
    name: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    expression: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One state change of one CloudWatch alarm. `arn` may be empty (messages before 2020)."""

    name: str
    state: AlarmState
    account: str
    region: str
    changed_at: datetime
    arn: str = ""
    previous_state: str = ""
    reason: str = ""
    description: str = ""
    kind: AlarmKind = "metric"
    metrics: tuple[AlarmMetric, ...] = ()
    children: tuple[str, ...] = ()
    """ARNs of the alarms that triggered a composite."""
    rule: str = ""
    suppressed_by: str = ""
    muted_by: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    contributor_id: str = ""
    contributor_attributes: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    """Which road it came by: sns, sqs, eventbridge, lambda."""

    @property
    def id(self) -> str:
        """ARN, or account:region:name where an old message has none."""
        return self.arn or f"{self.account}:{self.region}:{self.name}"

    @property
    def is_silenced(self) -> bool:
        """Suppressed by another alarm, or muted: it must start nothing."""
        return bool(self.suppressed_by or self.muted_by)

    @property
    def dimensions(self) -> Mapping[str, str]:
        """The dimensions of all metrics and of the contributor, merged; of a name that varies, none."""
        merged: dict[str, set[str]] = {}
        for source in (*(metric.dimensions for metric in self.metrics), self.contributor_attributes):
            for name, value in source.items():
                merged.setdefault(name, set()).add(value)
        return {name: values.pop() for name, values in merged.items() if len(values) == 1}

    @property
    def transition_key(self) -> str:
        """The same for the same transition, whichever road and however often it arrives.

        SNS gives milliseconds and EventBridge too, but they may differ by rounding: whole seconds are compared.
        """
        parts = [
            self.account,
            self.region,
            self.name,
            self.state,
            round(self.changed_at.timestamp()),
            self.contributor_id,
        ]
        return digest(parts)[:32]
