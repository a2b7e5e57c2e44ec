"""A whole process, with threads and doors: it comes up, says how it is, and goes down."""

import gc
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from bot.demo.workspace import Identity
from bot.service import Service
from bot.serving import Part, Serving, build, threaded
from infra.clock import utc_now
from infra.db import Database, DatabaseUnavailable
from infra.settings_model import Settings
from migrations import runner
from playbooks.operations import Order
from playbooks.refusals import InvalidLibrary
from tests.fakes.clock import ManualClock
from tests.fakes.strict_slack import StrictSlack
from tests.playbooks.worlds import alarm, folder

NAP = """\
schemaVersion: "0.3"
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1H}}
"""
TOPIC = "arn:aws:sns:eu-west-1:402715938824:alarms"


@pytest.fixture
def slack() -> Iterator[StrictSlack]:
    """A Slack to serve."""
    with StrictSlack(utc_now) as strict:
        yield strict


def settings(url: str, tmp_path: Path, slack: StrictSlack | None = None, **fields: Any) -> Settings:
    """A bot with one playbook, its doors open where there is a Slack."""
    if not (tmp_path / "playbooks").exists():
        folder(
            tmp_path / "playbooks", "nap", 'title: A nap\nmay_run: ["*"]\ntrigger: {name: "nap-*"}\nstart: auto\n', NAP
        )
    usual: dict[str, Any] = {
        "database_url": url, "playbooks": (tmp_path / "playbooks",), "use_library": False, "http_port": 0,
        "aws_region": "eu-west-1", "protected_tags": (),
    }  # fmt: skip
    if slack is not None:
        identity: Identity = slack.identity
        usual |= {
            "slack_mode": "http", "slack_bot_token": identity.bot_token, "slack_api_url": slack.api_url,
            "slack_signing_secret": identity.signing_secret, "channel": identity.channel, "sns_topics": (TOPIC,),
        }  # fmt: skip
    return Settings(**{**usual, **fields})


@pytest.fixture
def path(sqlite_template: Path, tmp_path: Path) -> Path:
    """A SQLite file with all tables; build() wants to see its version."""
    made = tmp_path / "bot.db"
    db = Database(f"sqlite:///{made}")
    runner.upgrade(db)
    db.close()
    return made


@pytest.fixture
def serving(path: Path, tmp_path: Path, slack: StrictSlack) -> Iterator[Serving]:
    """A bot that serves, with its doors for Slack and SNS."""
    made = build(Service(settings(f"sqlite:///{path}", tmp_path, slack)))
    yield made
    if made.problems() == ["starting"]:
        made.start()
    made.stop()


def figures(serving: Serving) -> str:
    """What Prometheus would read."""
    return generate_latest(serving.service.metrics.registry).decode()


def test_it_is_ready_once_everything_runs(serving: Serving) -> None:
    """Before the start it says so; after it nothing is in the way."""
    assert serving.problems() == ["starting"]

    serving.start()

    assert serving.problems() == []


def test_what_lives_for_ever_is_not_looked_through_for_rubbish(path: Path, tmp_path: Path) -> None:
    """Python's collector would stop every click for as long as it looks through the libraries."""
    serving = Serving(Service(settings(f"sqlite:///{path}", tmp_path, slack_mode="off")))
    serving.start()
    assert gc.get_freeze_count() > 0

    serving.stop()
    assert gc.get_freeze_count() == 0


def test_a_step_that_will_fail_is_told_at_the_start(path: Path, tmp_path: Path) -> None:
    """An action that only AWS has stops nothing, but whoever starts the bot reads where it stands."""
    foreign = NAP + '  - {name: share, action: "aws:shareSQLMedia", inputs: {}}\n'
    folder(tmp_path / "playbooks", "nap", "title: A nap\n", foreign)
    with capture_logs() as logs:
        made = build(Service(settings(f"sqlite:///{path}", tmp_path, slack_mode="off")))
        made.start()
        made.stop()

    (told,) = [entry["problem"] for entry in logs if entry["event"] == "a step of a playbook will fail"]
    assert 'nap/runbook.yaml:4:19 step "share" uses aws:shareSQLMedia, which is not available here.' in told


def test_a_locked_database_makes_it_unready(serving: Serving, path: Path) -> None:
    """Another process that holds the lock is seen although everything can still be read; its end is seen, too."""
    serving.start()
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")

        (problem,) = serving.problems()
        other.rollback()

    assert problem.startswith("database: ")
    assert serving.problems() == []


def test_a_standby_makes_it_unready(postgres_database: Database) -> None:
    """A PostgreSQL that takes no writes is no database to work with."""
    name = postgres_database.url.database
    with postgres_database.transaction() as tx:
        tx.connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    standby = Database(postgres_database.url.render_as_string(hide_password=False))

    with pytest.raises(DatabaseUnavailable, match="takes no writes"):
        standby.check_writable()

    standby.close()


def test_a_database_that_can_be_written_is_fine(database: Database) -> None:
    """Looking leaves nothing behind, and wakes nobody."""
    woken: list[str] = []
    database.listen(lambda: woken.append("woken"))

    database.check_writable()

    assert woken == []


def test_every_queue_has_its_depth(serving: Serving) -> None:
    """Dispatcher, relays, questions and the Slack outbox are told by name."""
    found = figures(serving)

    for queue in ("dispatcher", "reactions", "notifier", "approvals", "outbox"):
        assert f'playbook_bot_queue_depth{{queue="{queue}"}} 0.0' in found


def test_what_waits_is_counted(serving: Serving) -> None:
    """An execution, its events for the relays and its card for the outbox show up where they wait."""
    service = serving.service
    person = service.directory.slack("T01", "U01")
    service.operations.start(Order("nap"), person)
    service.operations.receive(alarm(name="nap-1"))
    service.operations.receive(alarm(name="nap-1"))
    service.operations.refuse_request("sns", "forged")

    found = figures(serving)

    assert 'playbook_bot_executions{status="Pending"} 2.0' in found or 'status="InProgress"} 2.0' in found
    assert 'playbook_bot_queue_depth{queue="reactions"} 0.0' not in found
    for verdict in ("started", "duplicate", "refused"):
        assert f'playbook_bot_alarms_total{{verdict="{verdict}"}} 1.0' in found


def test_figures_survive_a_database_that_is_gone(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scraped while the database is away, the process still tells what it knows by itself."""

    def gone(*_: object) -> None:
        raise DatabaseUnavailable("it is away")

    monkeypatch.setattr(serving.service.db, "reading", gone)

    assert "playbook_bot_ack_seconds" in figures(serving)


def test_the_first_event_says_what_was_found(path: Path, tmp_path: Path) -> None:
    """A process that comes up after another notes what that one left unfinished, and since when."""
    service = Service(settings(f"sqlite:///{path}", tmp_path))
    service.operations.start(Order("nap"), service.directory.slack("T01", "U01"))
    serving = build(service)
    serving.start()
    serving.stop()

    reader = Database(f"sqlite:///{path}")
    with reader.reading() as connection:
        entries = list(service.audit.entries(connection))
    reader.close()
    started = next(entry.event for entry in entries if entry.event.name == "bot.started")
    assert started.data["open_executions"] == 1
    assert started.data["interrupted"] == 0
    assert started.data["last_event_at"] == entries[0].at.isoformat()


def test_one_part_that_does_not_stop_keeps_no_other_up(path: Path, tmp_path: Path, clock: ManualClock) -> None:
    """Everything that began is ended, last first, whatever one of them says."""
    order: list[str] = []

    def broken() -> None:
        order.append("broken")
        raise ZeroDivisionError

    serving = Serving(Service(settings(f"sqlite:///{path}", tmp_path), clock=clock))
    serving.parts = [
        Part("first", lambda: None, lambda: order.append("first")),
        Part("broken", lambda: None, broken),
        Part("last", lambda: None, lambda: order.append("last")),
    ]
    serving.start()
    serving.stop()

    assert order == ["last", "broken", "first"]
    assert serving.stopping.is_set()


def test_a_loop_ends_when_it_is_woken() -> None:
    """A threaded part is told to stop, woken, and waited for."""
    stopping, news, order = threading.Event(), threading.Event(), []

    def loop(stop: threading.Event) -> None:
        while not stop.is_set():
            news.wait(10)
        order.append("ended")

    part = threaded("loop", loop, stopping, wake=news.set)
    part.start()
    part.stop()

    assert order == ["ended"]


def test_a_broken_folder_stops_the_start(path: Path, tmp_path: Path) -> None:
    """What is wrong in a playbook is said before anything listens or runs."""
    wrong = folder(tmp_path / "wrong", "nap", "titel: A nap\n", NAP)

    with pytest.raises(InvalidLibrary, match=r"playbook\.yaml:1:1"):
        build(Service(settings(f"sqlite:///{path}", tmp_path, playbooks=(wrong.parent,))))
