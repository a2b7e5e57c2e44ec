"""Who is on call, asked of PagerDuty or Opsgenie over HTTPS."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

SECONDS: Final = 3
LARGEST_ANSWER: Final = 1_000_000
PAGERDUTY: Final = "https://api.pagerduty.com"
OPSGENIE: Final = "https://api.opsgenie.com"

Get = Callable[[str, Mapping[str, str]], Any]


class RotaUnanswered(Exception):
    """The service does not say who is on call; the message says why."""


def get_json(url: str, headers: Mapping[str, str]) -> Any:
    """One GET. Raises RotaUnanswered."""
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - the two addresses above only
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
            return json.loads(answer.read(LARGEST_ANSWER))
    except urllib.error.HTTPError as error:
        raise RotaUnanswered(f"{url.partition('?')[0]} answered {error.code}") from error
    except (OSError, ValueError) as error:
        raise RotaUnanswered(f"{url.partition('?')[0]} does not answer: {error}") from error


def pagerduty(schedule: str, token: str, get: Get = get_json) -> tuple[str, ...]:
    """E-mail addresses of those on call on a schedule, by its id. Raises RotaUnanswered."""
    url = f"{PAGERDUTY}/oncalls?schedule_ids%5B%5D={quote(schedule, safe='')}&include%5B%5D=users&limit=100"
    headers = {"Authorization": f"Token token={token}", "Accept": "application/vnd.pagerduty+json;version=2"}
    return _texts(get(url, headers), "oncalls", lambda each: each["user"]["email"])


def opsgenie(schedule: str, key: str, get: Get = get_json) -> tuple[str, ...]:
    """User names (e-mail addresses) of those on call on a schedule, by its name. Raises RotaUnanswered."""
    url = f"{OPSGENIE}/v2/schedules/{quote(schedule, safe='')}/on-calls?scheduleIdentifierType=name&flat=true"
    found = get(url, {"Authorization": f"GenieKey {key}"})
    names = found.get("data") if isinstance(found, dict) else None
    return _texts(names, "onCallRecipients", lambda each: each)


def _texts(found: Any, member: str, text: Callable[[Any], Any]) -> tuple[str, ...]:
    try:
        texts = [str(text(each)) for each in found[member]]
    except (KeyError, TypeError) as error:
        raise RotaUnanswered(f"the answer has no {member} as it is documented") from error
    return tuple(dict.fromkeys(texts))
