"""The reasons of a transition read as CloudWatch's own."""

import json
from datetime import UTC, datetime, timedelta

from bot.demo import datapoints

AT = datetime(2026, 11, 24, 8, 28, 10, 58_900, tzinfo=UTC)


def test_a_breach_is_told_with_its_datapoint_and_threshold() -> None:
    """The sentence names datapoint, minute, comparison, threshold and transition."""
    told = datapoints.reason("ALARM", 99.5, threshold=50.0, comparison="GreaterThanThreshold", at=AT)

    assert told == (
        "Threshold Crossed: 1 out of the last 1 datapoints [99.5 (24/11/26 08:27:00)] was greater than "
        "the threshold (50.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )


def test_a_recovery_says_that_the_threshold_was_not_crossed() -> None:
    """Green is the same sentence, negated, with the transition turned round."""
    told = datapoints.reason("OK", 0.0, threshold=1.0, comparison="GreaterThanOrEqualToThreshold", at=AT)

    assert "[0.0 (24/11/26 08:27:00)] was not greater than or equal to the threshold (1.0)" in told
    assert told.endswith("(minimum 1 datapoint for ALARM -> OK transition).")


def test_the_machine_readable_half_is_json_without_spaces() -> None:
    """ReasonData carries the same facts with AWS's members and time format."""
    data = datapoints.reason_data(99.5, statistic="Average", period=300, threshold=50.0, at=AT)

    assert " " not in data
    assert json.loads(data) == {
        "version": "1.0",
        "queryDate": "2026-11-24T08:28:10.058+0000",
        "startDate": "2026-11-24T08:23:00.000+0000",
        "statistic": "Average",
        "period": 300,
        "recentDatapoints": [99.5],
        "threshold": 50.0,
    }


def test_a_picture_shows_a_quiet_past_and_the_breach() -> None:
    """Three hours below the threshold, the newest value above it, in order, none in the future."""
    course = datapoints.course(96.4, 90.0, at=AT)
    moments, values = zip(*course, strict=True)

    assert list(moments) == sorted(moments)
    assert AT - moments[0] == timedelta(hours=3)
    assert moments[-1] < AT
    assert max(values[:-1]) < 90.0 <= values[-1]
