"""Five fields of cron: what they say, and what is wrong with those that cannot be read."""

from datetime import date

import pytest

from infra.cron import CronInvalid, parse_cron


def test_the_fields_are_read() -> None:
    """Numbers, ranges, steps, lists and names."""
    cron = parse_cron("0,30 18-20 */10 jan,mar-apr *")

    assert cron.minutes == {0, 30}
    assert cron.hours == {18, 19, 20}
    assert cron.days == {1, 11, 21, 31}
    assert cron.months == {1, 3, 4}
    assert cron.weekdays == set(range(7))


def test_sunday_has_two_numbers() -> None:
    """0 and 7 are one day."""
    assert parse_cron("0 0 * * 7").weekdays == parse_cron("0 0 * * sun").weekdays == {0}


def test_days_of_month_and_week_are_alternatives() -> None:
    """Where both are given either will do, as cron has it; else both must fit."""
    both, one = parse_cron("0 0 13 * fri"), parse_cron("0 0 * * fri")
    friday, thirteenth = date(2026, 3, 6), date(2026, 4, 13)

    assert (both.is_on(friday), both.is_on(thirteenth)) == (True, True)
    assert (one.is_on(friday), one.is_on(thirteenth)) == (True, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 18 * *", "has 4 fields; cron has five"),
        ("60 0 * * *", 'minute: "60" should be between 0 and 59'),
        ("0 5-3 * * *", 'hour: "5-3" should be between 0 and 23, the smaller number first'),
        ("mon 0 * * *", 'minute: "mon" is not a number'),
        ("0 0 * * noday", 'weekday: "noday" is not a number'),
        ("0 0 */0 * *", 'day: "*/0" should be between 1 and 31'),
    ],
)
def test_what_cannot_be_read_is_said(text: str, says: str) -> None:
    """Which field, and what would be right."""
    with pytest.raises(CronInvalid) as refused:
        parse_cron(text)

    assert says in str(refused.value)
