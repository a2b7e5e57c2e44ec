"""How many targets run at once, and when no more are begun. Pure.

Source: SSM User Guide, "Control automations at scale"; reference/ssm-automation.md §5.6 and appendix B. A percentage is
rounded down. The ramp: one target, then two more for each that ends, up to MaxConcurrency. MaxErrors n stops new
targets at the (n+1)-th error; those that run go on.
"""

import re
from dataclasses import dataclass
from typing import Final

MOST_AT_ONCE: Final = "10"
"""MaxConcurrency where none is given (API)."""
MOST_ERRORS: Final = "0"
"""MaxErrors where none is given; AWS publishes none, so the strictest."""
_CONCURRENCY: Final = re.compile(r"[1-9][0-9]*|[1-9][0-9]?%|100%")
_ERRORS: Final = re.compile(r"[1-9][0-9]*|0|[0-9]{1,2}%|100%")


@dataclass(frozen=True, slots=True)
class Pace:
    """The bounds of one fan-out, in targets."""

    most_at_once: int
    most_errors: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a fan-out is; `errors` counts all that ended as anything but Success."""

    waiting: int
    running: int
    ended: int
    errors: int


def pace_of(max_concurrency: str | None, max_errors: str | None, count: int) -> Pace:
    """The bounds for that many targets. Raises ValueError with a sentence."""
    concurrency, errors = str(max_concurrency or MOST_AT_ONCE), str(max_errors or MOST_ERRORS)
    if not _CONCURRENCY.fullmatch(concurrency):
        raise ValueError(f'MaxConcurrency must be a number such as 5, or a percentage such as 10%, not "{concurrency}"')
    if not _ERRORS.fullmatch(errors):
        raise ValueError(f'MaxErrors must be a number such as 0, or a percentage such as 10%, not "{errors}"')
    return Pace(max(1, _share(concurrency, count)), _share(errors, count))


def _share(text: str, count: int) -> int:
    return count * int(text[:-1]) // 100 if text.endswith("%") else int(text)


def to_begin(standing: Standing, pace: Pace) -> int:
    """How many targets may be begun now."""
    if standing.errors > pace.most_errors:
        return 0
    window = min(pace.most_at_once, 1 << min(standing.ended, 30))
    return max(0, min(standing.waiting, window - standing.running))


def is_over(standing: Standing, pace: Pace) -> bool:
    """Whether nothing runs and nothing will."""
    return standing.running == 0 and (standing.waiting == 0 or standing.errors > pace.most_errors)
