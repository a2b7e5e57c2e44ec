"""The tokens of every installation: read from the rows, exchanged before they end, each once among all processes.

Slack takes a refresh token once. So whoever exchanges one takes it first, with a compare-and-set on its revision. An
answer that could not be written is kept and written later. An answer that got lost with its process cannot be had
again: Slack then refuses the old refresh token, the access token works until it ends, and somebody has to install anew.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.client import NO_ANSWER, code_of, is_unsure, retry_after
from bot.slack.installation_store import InstallationStore
from bot.slack.installations import AT_LAST, AnswerUnsound, Installation, renewed, told
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable

log = structlog.get_logger()

FRESH: Final = timedelta(seconds=5)
"""So long what the rows said is believed; a commit of this process is seen at once."""
EXCHANGE: Final = timedelta(seconds=45)
"""So long one process has a token for itself; longer than a call may last."""
LOOK_SECONDS: Final = 60.0
LOST: Final = "Slack does not take its refresh token any more; install the app there anew"


class Tokens:
    """The installations there are, and their tokens as they are now."""

    def __init__(
        self,
        db: Database,
        store: InstallationStore,
        client: WebClient,
        clock: Clock,
        *,
        client_id: str,
        client_secret: str,
    ) -> None:
        self._db, self.store, self._client, self._clock = db, store, client, clock
        self._client_id, self._client_secret = client_id, client_secret
        self._known: Mapping[str, Installation] = {}
        self._read_at: datetime | None = None
        self._unsaved: dict[str, Installation] = {}
        self._lock = threading.Lock()

    # -- what there is

    def all(self) -> Mapping[str, Installation]:
        """Every installation by id, those that were removed too. While the database is away, as it was."""
        now = self._clock()
        read_at = self._read_at
        if read_at is not None and timedelta(0) <= now - read_at <= FRESH:
            return self._known
        try:
            with self._db.reading() as connection:
                found = {each.id: each for each in self.store.all(connection)}
        except DatabaseUnavailable as error:
            log.warning("installations cannot be read", error=str(error))
            return self._known
        self._known, self._read_at = found, now
        return found

    def forget(self) -> None:
        """Read the rows anew next time."""
        self._read_at = None

    def live(self) -> list[Installation]:
        """Those that the bot serves now."""
        return [each for each in self.all().values() if each.is_live]

    def get(self, installation_id: str) -> Installation | None:
        """One that the bot serves now."""
        found = self.all().get(installation_id)
        return found if found is not None and found.is_live else None

    def token(self, installation_id: str) -> str:
        """The token of an installation; "" where there is none. Exchanged first when it is about to end."""
        found = self.get(installation_id)
        if found is not None and found.is_due(self._clock(), AT_LAST) and not found.trouble:
            self.exchange(found)
            found = self.get(installation_id)
        return found.token if found is not None else ""

    def after_refusal(self, installation_id: str, spent: str) -> str:
        """Another token than one that Slack called expired; "" when there is none."""
        self.forget()
        found = self.get(installation_id)
        if found is not None and found.token == spent and found.refresh_token and not found.trouble:
            self.exchange(found)
            found = self.get(installation_id)
        return found.token if found is not None and found.token != spent else ""

    # -- exchanging

    def run(self, stop: threading.Event) -> None:
        """Exchange what is due until `stop` is set."""
        self._try(self._reseal)
        while not stop.is_set():
            self._try(self.pump)
            stop.wait(LOOK_SECONDS)

    def _try(self, what: Callable[[], object]) -> None:
        try:
            what()
        except DatabaseUnavailable as error:
            log.warning("tokens wait for the database", error=str(error))
        except Exception:  # the thread must live until the defect is mended
            log.exception("tokens not looked after")

    def _reseal(self) -> None:
        with self._db.transaction() as tx:
            unreadable = self.store.reseal(tx)
        if unreadable:
            log.error("tokens sealed with an unknown key: set it in slack_token_key, or install anew", count=unreadable)

    def pump(self) -> int:
        """Exchange what is due now; returns how many were."""
        self.forget()
        now = self._clock()
        due = [each for each in self.live() if each.is_due(now) and not each.trouble]
        return sum(self.exchange(each) for each in due)

    def exchange(self, old: Installation) -> bool:
        """Have a new token for an installation; False when another process has it in hand, or Slack gives none."""
        with self._lock:
            kept = self._unsaved.pop(old.id, None)
            if kept is not None:
                return self._save(kept)
            if not self._take(old):
                self.forget()
                return False
            try:
                answer = self._asked(old)
            except SlackApiError as error:
                return self._refused(old, error)
            except NO_ANSWER as error:
                # It may have been done: nobody tries again before the claim has run out.
                log.warning("no answer to a token's exchange", workspace=old.id, error=str(error))
                return False
            return self._answered(old, answer)

    def _take(self, old: Installation) -> bool:
        now = self._clock()
        with self._db.transaction() as tx:
            return self.store.take(tx, old, now, now + EXCHANGE)

    def _asked(self, old: Installation) -> Any:
        return self._client.oauth_v2_access(
            client_id=self._client_id,
            client_secret=self._client_secret,
            grant_type="refresh_token",
            refresh_token=old.refresh_token,
        )

    def _answered(self, old: Installation, answer: Any) -> bool:
        try:
            new = renewed(old, answer, self._clock())
        except AnswerUnsound:
            log.warning("the answer to a token's exchange is unsound", workspace=old.id)
            return False
        return self._save(new)

    def _save(self, new: Installation) -> bool:
        """Write it; what cannot be written is kept, as Slack will not give it again. Raises DatabaseUnavailable."""
        try:
            with self._db.transaction() as tx:
                is_ours = self.store.exchanged(tx, new, [told("token_rotated", new)], self._clock())
        except DatabaseUnavailable:
            self._unsaved[new.id] = new
            raise
        finally:
            self.forget()
        return is_ours

    def _refused(self, old: Installation, error: SlackApiError) -> bool:
        code, now = code_of(error), self._clock()
        if is_unsure(error):
            log.warning("a token's exchange failed at Slack", workspace=old.id, error=code)
            return False
        is_passing = retry_after(error) is not None
        trouble = "" if is_passing else f"{LOST} ({code})"
        events = [] if is_passing else [told("token_lost", old, reason=code)]
        log.error("a token was not exchanged", workspace=old.id, name=old.name, error=code)
        with self._db.transaction() as tx:
            self.store.let_go(tx, old, trouble, events, now)
        self.forget()
        return False
