"""Five fields of crontab(5): what they say, and on which days they fire. Pure."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES: Final = {
    "month": {name: str(number) for number, name in enumerate(_MONTHS, 1)},
    "weekday": {name: str(number) for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))},
}
_FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_PART: Final = re.compile(r"(\*|\d{1,2})(?:-(\d{1,2}))?(?:/(\d{1,2}))?")


class CronInvalid(ValueError):
    """The five fields cannot be read; the message says which one and what would be right."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields as crontab(5) has them: minute, hour, day of the month, month, day of the week."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 = Sunday."""
    is_either: bool
    """Day of the month and day of the week are both given: either will do, as cron has it."""

    def is_on(self, day: date) -> bool:
        """Whether it fires on a day at all."""
        in_month, in_week = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        fits = in_month or in_week if self.is_either else in_month and in_week
        return day.month in self.months and fits


def parse_cron(text: str) -> Cron:
    """Read `30 18 * * fri`. Raises CronInvalid."""
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        raise CronInvalid(f'"{text}" has {len(fields)} fields; cron has five: minute hour day month weekday')
    minutes, hours, days, months, weekdays = (
        _field(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)
    )
    is_either = not fields[2].startswith("*") and not fields[4].startswith("*")
    return Cron(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), is_either)


def _field(text: str, name: str, least: int, most: int) -> frozenset[int]:
    found: set[int] = set()
    names = _NAMES.get(name, {})
    for part in text.split(","):
        spelled = re.sub(r"[a-z]{3}", lambda match: names.get(match[0], match[0]), part)
        match = _PART.fullmatch(spelled)
        if match is None:
            raise CronInvalid(f'{name}: "{part}" is not a number, a range such as 1-5, or */5')
        first, last = (least, most) if match[1] == "*" else (int(match[1]), int(match[2] or match[1]))
        last = most if match[3] and match[1] != "*" and not match[2] else last
        if not least <= first <= last <= most or match[3] == "0":
            raise CronInvalid(f'{name}: "{part}" should be between {least} and {most}, the smaller number first')
        found |= set(range(first, last + 1, int(match[3] or 1)))
    return frozenset(found)
