"""How people write durations and lists in a playbook's file."""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(value: object) -> object:
    """`30m`, `12h`, `2d`, or an ISO 8601 duration, which pydantic reads itself; never a number without a unit."""
    if not isinstance(value, str):
        raise ValueError("a duration needs a unit")  # noqa: TRY004 - pydantic collects ValueErrors
    match = re.fullmatch(r"\s*(\d{1,9})\s*([smhd])\s*", value)
    if match is None and not value.strip().upper().startswith("P"):
        raise ValueError("not a duration")
    return timedelta(**{UNITS[match[2]]: int(match[1])}) if match else value


def several(value: object) -> object:
    """One name stands for a list of one."""
    return value if isinstance(value, (list, tuple)) else (value,)


Names = Annotated[tuple[str, ...], BeforeValidator(several)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
