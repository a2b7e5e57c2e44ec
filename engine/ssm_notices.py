"""What stands on an execution's card about AWS: an outage goes with it, that an answer did not arrive stays. Pure."""

from datetime import datetime
from typing import Final

from infra.aws_errors import AwsRefused, AwsUnreachable

_OUTAGES: Final = (
    "AWS has not answered since",
    "My AWS credentials have expired at",
    "AWS refuses me since",
    "AWS throttles my requests since",
    "AWS cannot say how it stands since",
)


def lasting(notice: str) -> str:
    """What is still true when AWS answers again."""
    return "\n".join(line for line in notice.splitlines() if not line.startswith(_OUTAGES))


def with_outage(notice: str, error: AwsRefused | AwsUnreachable, since: datetime) -> str:
    """What is true, and that AWS does not answer."""
    kept = lasting(notice)
    outage = " ".join(_outage(error, f"{since:%H:%M} UTC").split())
    return f"{kept}\n{outage}" if kept else outage


def _outage(error: AwsRefused | AwsUnreachable, at: str) -> str:
    silent, expired, denied, throttled, unclear = _OUTAGES
    if isinstance(error, AwsUnreachable):
        return f"{silent} {at}; what is shown here is as of then. I keep asking."
    if error.is_expired:
        return f"{expired} {at}; what is shown here is as of then."
    if error.is_denied:
        return f"{denied} {at} ({error.code}): {error}"
    if error.is_throttling:
        return f"{throttled} {at}; what is shown here may be late."
    return f"{unclear} {at} ({error.code}): {error}"
