"""Private answers to clicks, sent behind the acknowledgement, which must not wait for them.

They are kept in memory only: an answer to a click is worth something for a moment, and it must be possible to say
that the database is away. The truth is on the card.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog
from slack_sdk.webhook import WebhookClient, WebhookResponse

from bot.slack.blocks import text as t
from bot.slack.client import NO_ANSWER

log = structlog.get_logger()

MOST_WAITING: Final = 500
MOST_TRIES: Final = 4
TIMEOUT_SECONDS: Final = 5
LOOK_UP_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Whisper:
    url: str
    text: str
    blocks: tuple[Mapping[str, Any], ...] = ()
    tries: int = 0


Send = Callable[..., WebhookResponse]
"""Called with the address and the text, and with the blocks where there are some of their own."""


def send(url: str, text: str, blocks: Sequence[Mapping[str, Any]] = ()) -> WebhookResponse:
    """Say something to whoever clicked, and to nobody else."""
    client = WebhookClient(url, timeout=TIMEOUT_SECONDS, retry_handlers=[])
    shown = [dict(block) for block in blocks] or t.paragraphs(text)
    return client.send(text=text, blocks=shown, response_type="ephemeral", replace_original=False)


class Whispers:
    """A queue and the loop that empties it. Sending one twice is harmless."""

    def __init__(self, send_one: Send = send) -> None:
        self._send = send_one
        self._waiting: queue.Queue[_Whisper] = queue.Queue(MOST_WAITING)

    def say(self, response_url: object, text: str, *, blocks: Sequence[Mapping[str, Any]] = ()) -> bool:
        """Have something said; False when there is no way to."""
        if not response_url or not text:
            return False
        try:
            self._waiting.put_nowait(_Whisper(str(response_url), text, tuple(blocks)))
        except queue.Full:
            log.exception("private answer dropped, too many wait", text=text)
            return False
        return True

    def run(self, stop: threading.Event) -> None:
        """Say what is to be said until `stop` is set."""
        while not stop.is_set():
            try:
                whisper = self._waiting.get(timeout=LOOK_UP_SECONDS)
            except queue.Empty:
                continue
            stop.wait(self.attempt(whisper))

    def pump(self) -> int:
        """Say everything that waits now; returns how much that was."""
        count = self._waiting.qsize()
        for _ in range(count):
            self.attempt(self._waiting.get_nowait())
        return count

    def attempt(self, whisper: _Whisper) -> float:
        """Say one; returns how many seconds to leave Slack alone."""
        try:
            answer = self._send(whisper.url, whisper.text, *([whisper.blocks] if whisper.blocks else ()))
        except NO_ANSWER as error:
            return self._again(whisper, str(error), 2.0**whisper.tries)
        except Exception:  # a defect of one answer must not end the thread
            log.exception("private answer not sent")
            return 0.0
        if answer.status_code == 200:
            return 0.0
        if answer.status_code == 429 or answer.status_code >= 500:
            said = next((value for name, value in answer.headers.items() if name.lower() == "retry-after"), "")
            return self._again(whisper, f"HTTP {answer.status_code}", float(said) if said.isdigit() else 1.0)
        log.warning("private answer refused", status=answer.status_code, body=answer.body[:200])
        return 0.0

    def _again(self, whisper: _Whisper, why: str, pause: float) -> float:
        if whisper.tries + 1 >= MOST_TRIES:
            log.warning("private answer given up", why=why)
            return 0.0
        try:
            self._waiting.put_nowait(replace(whisper, tries=whisper.tries + 1))
        except queue.Full:
            log.exception("private answer dropped, too many wait", text=whisper.text)
        return min(pause, LONGEST_PAUSE_SECONDS)
