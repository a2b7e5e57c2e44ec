"""Errands for cards of alarms: a look at the resource, and the metric's picture, below the card. Never in its way.

An errand is a row of the outbox that the outbox leaves to this loop, because it asks AWS and may take seconds.
"""

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.address import split
from bot.slack.client import NO_ANSWER, code_of, is_unsure, retry_after
from bot.slack.clients import Clients, several
from bot.slack.store import FAILURES, SUGGESTION, SlackMessage, SlackStore, message_table
from infra.aws_errors import AwsUnreachable
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable
from playbooks.alarm_care import AlarmCare
from playbooks.alarm_look import AlarmLooks, Picture
from playbooks.refusals import Refused

log = structlog.get_logger()

IDLE_SECONDS: Final = 30.0
MOST_TRIES: Final = 3
PAUSE: Final = timedelta(seconds=20)


@dataclass
class Errands:
    """Runs them one after the other, in a thread of its own, woken by commits."""

    db: Database
    store: SlackStore
    client: WebClient | Clients
    looks: AlarmLooks
    care: AlarmCare
    clock: Clock
    _news: threading.Event = field(default_factory=threading.Event, repr=False)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        self.db.listen(self._news.set, table=message_table.name)
        while not stop.is_set():
            self._news.clear()
            try:
                busy = self.pump()
            except DatabaseUnavailable as error:
                log.warning("errands wait for the database", error=str(error))
                busy = 0
            except Exception:  # the thread must live until the defect is mended
                log.exception("errands failed")
                busy = 0
            if not busy:
                self._news.wait(IDLE_SECONDS)

    def wake(self) -> None:
        """Look now."""
        self._news.set()

    def pump(self) -> int:
        """Do all that may be done now; returns how much that was."""
        with self.db.reading() as connection:
            due = self.store.errands(connection, self.clock(), teams=several(self.client).reachable())
        for errand in due:
            with self.db.transaction() as tx:
                is_mine = self.store.sending(tx, errand)
            if is_mine:
                self._do(errand)
        return len(due)

    def _do(self, errand: SlackMessage) -> None:
        try:
            self._look(errand)
            picture = self.looks.picture(errand.subject)
            if picture is not None:
                self._upload(errand, picture)
        except SlackApiError as error:
            is_passing = is_unsure(error) or retry_after(error) is not None
            self._failed(errand, code_of(error), is_passing=is_passing)
        except (*NO_ANSWER, AwsUnreachable) as error:
            self._failed(errand, str(error), is_passing=True)
        else:
            with self.db.transaction() as tx:
                now = self.clock()
                self.store.sent(tx, errand, channel=errand.channel, ts="", now=now, pause=timedelta(0))

    def _look(self, errand: SlackMessage) -> None:
        """Tell the card what AWS says of its resource."""
        seen = self.looks.seen(errand.subject)
        if not seen:
            return
        try:
            self.care.remember(errand.subject, seen)
        except Refused:
            return
        card = errand.thread_key
        with self.db.transaction() as tx:
            subject, now = card.partition(":")[2], self.clock()
            self.store.want(tx, card, kind=SUGGESTION, subject=subject, channel="", now=now, lane=FAILURES)

    def _upload(self, errand: SlackMessage, picture: Picture) -> None:
        """Show the picture below the card. Raises what the SDK raises."""
        with self.db.reading() as connection:
            place = self.store.place(connection, errand.thread_key)
        if place is None:
            return
        address, ts = place
        several(self.client).client(errand.team).files_upload_v2(
            channel=split(address)[1],
            thread_ts=ts,
            content=picture.png,
            filename="metric.png",
            title=picture.title,
            alt_txt=picture.words[:1000],
            request_file_info=False,
        )

    def _failed(self, errand: SlackMessage, why: str, *, is_passing: bool) -> None:
        log.warning("no picture below an alarm's card", key=errand.key, error=why)
        with self.db.transaction() as tx:
            if is_passing and errand.attempts + 1 < MOST_TRIES:
                self.store.postpone(tx, errand, self.clock() + PAUSE)
            else:
                self.store.give_up(tx, errand, why)
