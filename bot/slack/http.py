"""Signed HTTP: what is not authentic is answered 401 with a sentence, whatever its headers are made of."""

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from slack_bolt import App, BoltRequest

from infra.clock import Clock
from infra.db import DatabaseUnavailable

log = structlog.get_logger()

LARGEST_BYTES: Final = 1_000_000
VALID_SECONDS: Final = 300
AUDITED_A_MINUTE: Final = 30
"""Anybody can knock without a signature: the log has every one, the trail so many that it cannot be flooded."""

Answer = tuple[int, Mapping[str, str], bytes]


class SlackHttp:
    """Checks signature and age before Bolt sees anything."""

    def __init__(self, app: App, signing_secret: str, clock: Clock, refused: Callable[[str], None]) -> None:
        if not signing_secret:
            raise ValueError("HTTP mode needs slack_signing_secret: without it anybody could press the buttons")
        self._app, self._secret, self._clock, self._refused = app, signing_secret.encode(), clock, refused
        self._minute: datetime | None = None
        self._audited = 0
        self._lock = threading.Lock()

    def handle(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one POST."""
        lower = {name.lower(): value for name, value in headers.items()}
        if len(body) > LARGEST_BYTES:
            return self._no(413, f"the request is larger than {LARGEST_BYTES:,} bytes")
        problem = self._problem(lower, body)
        if problem:
            return self._no(401, problem)
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return self._no(400, "the request is not UTF-8 text")
        try:
            answer = self._app.dispatch(BoltRequest(body=text, headers=dict(headers)))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            log.warning("request not understood", error=str(error))
            return self._no(400, "the request is not one of Slack's")
        found = {name: values[0] for name, values in answer.headers.items() if values}
        return answer.status, found, str(answer.body or "").encode("utf-8", "replace")

    def _problem(self, headers: Mapping[str, str], body: bytes) -> str:
        stamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        if not re.fullmatch(r"[0-9]{1,12}", stamp, re.ASCII):
            return "the request has no sound timestamp"
        if abs(self._clock().timestamp() - int(stamp)) > VALID_SECONDS:
            return "the request is too old, or comes from the future"
        if not re.fullmatch(r"v0=[0-9a-f]{64}", signature, re.ASCII):
            return "the request has no sound signature"
        expected = hmac.new(self._secret, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(f"v0={expected}", signature):
            return "the signature does not belong to the request"
        return ""

    def _no(self, status: int, reason: str) -> Answer:
        log.warning("request refused", reason=reason)
        if self._may_audit():
            try:
                self._refused(reason)
            except DatabaseUnavailable as error:
                log.warning("refusal not audited", error=str(error))
        return status, {"Content-Type": "text/plain; charset=utf-8"}, f"{reason}\n".encode()

    def _may_audit(self) -> bool:
        now = self._clock()
        with self._lock:
            if self._minute is None or abs(now - self._minute) >= timedelta(minutes=1):
                self._minute, self._audited = now, 0
            self._audited += 1
            return self._audited <= AUDITED_A_MINUTE
