"""What CloudWatch writes when a datapoint crosses a threshold: the sentence and its machine-readable half. Pure."""

import json
from datetime import UTC, datetime, timedelta

COMPARED = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


def reason(value: str, datapoint: float, *, threshold: float, comparison: str, at: datetime) -> str:
    """The sentence CloudWatch gives as the reason of a transition of a one-datapoint alarm. `at` is aware."""
    old, negation = ("OK", "") if value == "ALARM" else ("ALARM", " not")
    minute = (at.astimezone(UTC) - timedelta(minutes=1)).strftime("%d/%m/%y %H:%M:00")
    return (
        f"Threshold Crossed: 1 out of the last 1 datapoints [{datapoint} ({minute})] was{negation} "
        f"{COMPARED[comparison]} the threshold ({threshold}) (minimum 1 datapoint for {old} -> {value} transition)."
    )


def reason_data(datapoint: float, *, statistic: str, period: int, threshold: float, at: datetime) -> str:
    """The machine-readable half of the reason, as CloudWatch writes it. `at` is aware."""
    start = at.astimezone(UTC).replace(second=0, microsecond=0) - timedelta(seconds=period)
    return json.dumps(
        {
            "version": "1.0",
            "queryDate": instant(at.astimezone(UTC)),
            "startDate": instant(start),
            "statistic": statistic,
            "period": period,
            "recentDatapoints": [datapoint],
            "threshold": threshold,
        },
        separators=(",", ":"),
    )


def course(red: float, threshold: float, *, at: datetime) -> list[tuple[datetime, float]]:
    """Three hours of a metric that was well below its threshold until a moment ago: what a picture shows."""
    quiet = [round(threshold * (0.2 + 0.02 * (number * 7 % 5)), 2) if threshold > 1 else 0.0 for number in range(36)]
    before = [(at - timedelta(minutes=5 * (36 - number)), value) for number, value in enumerate(quiet)]
    return [*before, (at - timedelta(minutes=1), red)]


def instant(at: datetime) -> str:
    """A moment as CloudWatch spells it: `2026-11-24T08:28:10.058+0000`. `at` is UTC."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"
