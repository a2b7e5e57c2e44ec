"""One running process: threads, doors and how they come up and go down."""

import gc
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import time
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from audit.events import Event
from audit.relay import Relay
from bot.api_events import deliveries, events_relay
from bot.api_server import api_server
from bot.http_server import HttpServer
from bot.intake.certificates import Certificates
from bot.intake.schedule import Schedule
from bot.intake.sns import SnsDoor
from bot.intake.sqs import SqsIntake
from bot.service import Service
from bot.slack.assembly import Assembly, Ground, assemble
from bot.slack.manifest import REDIRECT
from bot.slack.mornings import Mornings
from bot.slack.oauth import INSTALL
from bot.slack.socket import SocketRunner
from bot.web import LARGEST_BODY, Doors, Handler, Page, build_web
from engine.dispatch.celery import CeleryDispatcher, celery_app
from engine.dispatch.local import LocalDispatcher
from infra.announcements import Announcements
from infra.db import DatabaseUnavailable
from infra.leadership import Lead, Leadership, is_anybody_leading
from infra.patience import patiently
from infra.settings import SettingsInvalid
from infra.shared_clock import SharedClock
from migrations import runner
from playbooks.access_file import who_is_named
from playbooks.answerers import entries
from playbooks.expiry import SHARED

log = structlog.get_logger()

SWITCH_SECONDS = 0.0005
"""How long a busy thread keeps the interpreter: the default of 5 ms would be paid by a click at each of its waits."""
WEB_THREADS = 32
"""Requests wait here while the database is locked; /healthz must be answered all the same."""
WORKBENCHES = 3
"""Threads for what people wait for while a form is open."""
READY_PATIENCE = 1.0
"""Seconds after which a database that lets nobody write counts as away."""


@dataclass
class Part:
    """Something that runs: its name, how it starts, how it stops."""

    name: str
    start: Callable[[], object]
    stop: Callable[[], object]


@dataclass
class Serving:
    """The bot as a process: starts parts in order, stops them in the opposite one."""

    service: Service
    parts: list[Part] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    conditions: dict[str, Callable[[], bool]] = field(default_factory=dict)
    """What must hold for the bot to do its work: a sentence for when it does not -> how to find out."""
    depths: dict[str, Callable[[], float]] = field(default_factory=dict)
    """Where work may pile up: a queue's name -> how much waits in it."""
    address: str = ""
    """Where it listens, for the log; "" = where the settings say."""
    _started: list[Part] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Why the bot cannot do its work now."""
        found = [] if len(self._started) == len(self.parts) else ["starting"]
        found += [sentence for sentence, holds in self.conditions.items() if not holds()]
        try:
            self.service.db.check_writable(patience=READY_PATIENCE)
        except DatabaseUnavailable as error:
            found.append(f"database: {error}")
        return found

    def start(self) -> None:
        """Bring everything up; what was left unfinished is taken up by its rows."""
        sys.setswitchinterval(SWITCH_SECONDS)
        # What was built now lives as long as the process: looking through it for rubbish stops a click for 0.1 s.
        gc.collect()
        gc.freeze()
        for part in self.parts:
            part.start()
            self._started.append(part)
            log.debug("part started", part=part.name)

    def stop(self) -> None:
        """Take everything down, doors first."""
        self.stopping.set()
        self.service.db.wake()
        for part in reversed(self._started):
            try:
                part.stop()
            except Exception:  # one part's trouble must not keep the others up
                log.exception("part did not stop", part=part.name)
        self._started.clear()
        self.service.db.close()
        gc.unfreeze()

    def run_until_signalled(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        self.start()
        settings = self.service.settings
        log.info("serving", http=self.address or f"{settings.http_host}:{settings.http_port}")
        self.stopping.wait()
        self.stop()


def build(service: Service) -> Serving:
    """Everything the settings switch on. Raises SchemaOutdated, InvalidLibrary."""
    runner.check(service.db)
    service.looks = True
    serving = Serving(service)
    clock_parts = shared_clock(service, serving.stopping)
    dispatcher = dispatcher_of(service)
    _watch(service, serving)
    relay = Relay(service.db, service.audit, name="reactions", handle=service.reactions.handle, clock=service.clock)
    serving.depths |= {"dispatcher": lambda: dispatcher.depth, "reactions": relay.lag}
    came_up = Part("came up", lambda: _say_what_was_found(service), lambda: None)
    slack_doors, slack_parts = _slack(service, serving)
    intake_parts, sns = _intake(service, serving.stopping)
    web = web_part(service, serving, replace(slack_doors, sns=sns))
    serving.parts = [
        *clock_parts,
        came_up,
        Part("scripts", lambda: None, service.scripts.close),
        Part("dispatcher", dispatcher.start, dispatcher.stop),
        threaded("reactions", relay.run, serving.stopping),
        *([threaded("on call", service.on_call.run, serving.stopping)] if service.on_call.is_asking else []),
        threaded("absences", service.absences.run, serving.stopping, wake=service.absences.wake),
        threaded("expiry", service.expiry.run, serving.stopping, wake=service.expiry.wake),
        *announced(service, serving.stopping),
        *_ssm_parts(service, serving.stopping),
        *slack_parts,
        *intake_parts,
        web,
        *event_parts(service, serving.stopping),
        *reports(service, serving.stopping),
        *_api(service, serving.stopping),
    ]
    for problem in service.catalog.warnings:  # a broken folder stops the start here, before anything runs
        log.warning("a step of a playbook will fail", problem=str(problem))
    return serving


def dispatcher_of(service: Service) -> LocalDispatcher | CeleryDispatcher:
    """Who works, as the settings say; the engine wakes it from now on."""
    settings, parts = service.settings, (service.db, service.executions, service.engine)
    dispatcher: LocalDispatcher | CeleryDispatcher
    if settings.dispatch == "celery":
        app = celery_app(settings.broker_url.get_secret_value(), queue=settings.broker_queue)
        dispatcher = CeleryDispatcher(app, *parts, service.clock)
    else:
        dispatcher = LocalDispatcher(*parts, service.clock, workers=settings.workers)
    service.engine.dispatcher = dispatcher
    return dispatcher


def led(
    service: Service, name: str, loop: Callable[[threading.Event], object], stopping: threading.Event,
    *, wake: Callable[[], object], fence: Callable[[Lead], object] = lambda _lead: None,
) -> Part:  # fmt: skip
    """A loop that one process at a time runs: with Celery under a lease, else simply here.

    `fence` hands the lease to what must ask for it before it does something.
    """
    if service.settings.dispatch != "celery":
        return threaded(name, loop, stopping, wake=wake)
    leadership = Leadership(service.db, name, service.clock)
    fence(leadership)
    return threaded(name, lambda stop: leadership.run(stop, loop, wake=wake), stopping, wake=wake, patience=12)


def shared_clock(service: Service, stopping: threading.Event) -> list[Part]:
    """Where there are several processes they all go by the database's clock. Before any part has asked for the time."""
    if service.settings.dispatch != "celery":
        return []
    clock = SharedClock(service.db)
    service.clock = clock
    service.expiry.refill_every = SHARED
    return [threaded("clock", clock.follow, stopping)]


def _say_what_was_found(service: Service) -> None:
    """The first event of the process: what was unfinished when it came up."""
    with service.db.transaction() as tx:
        is_shared = service.settings.dispatch == "celery"
        if is_shared and is_anybody_leading(tx, service.clock()):
            return  # others have been here all the time
        found = {
            "open_executions": service.executions.open_count(tx.connection),
            "open_approvals": service.approvals.open_count(tx.connection),
            "interrupted": service.executions.interrupted(tx.connection, now=service.clock() if is_shared else None),
        }
        head = service.audit.head(tx)[0]
        last = next(iter(service.audit.batch(tx, after=head - 1, limit=1)), None) if head else None
        data = {**found, "last_event_at": last.at.isoformat() if last else None}
        service.audit.append(tx, [Event("bot.started", "", data=data)], service.clock())


def threaded(
    name: str,
    loop: Callable[[threading.Event], object],
    stopping: threading.Event,
    *,
    wake: Callable[[], object] | None = None,
    patience: float = 5,
) -> Part:
    """A loop in a thread of its own, until the process stops."""
    thread = threading.Thread(target=loop, args=(stopping,), name=name, daemon=True)

    def stop() -> None:
        stopping.set()
        if wake is not None:
            wake()
        if thread.ident is not None:
            thread.join(patience)

    return Part(name, thread.start, stop)


def web_part(service: Service, serving: Serving, doors: Doors) -> Part:
    """The HTTP server of health, metrics, Slack and SNS."""
    web = build_web(doors, serving, service.metrics.registry)
    host, port = service.settings.http_host, service.settings.http_port
    try:
        server = HttpServer(web, host, port, name="web", threads=WEB_THREADS, largest_body=2 * LARGEST_BODY)
    except OSError as error:
        raise SettingsInvalid((f"PLAYBOOK_BOT_HTTP_PORT: cannot listen on {host}:{port}: {error.strerror}",)) from error
    return Part("web", server.start, server.stop)


def announced(service: Service, stopping: threading.Event) -> list[Part]:
    """Hearing of other processes' commits, where there can be any."""
    if service.db.is_sqlite:
        return []
    return [threaded("announcements", Announcements(service.db).run, stopping)]


def _ssm_parts(service: Service, stopping: threading.Event) -> list[Part]:
    """Following AWS, where it runs anything for us."""
    if not service.uses_ssm:
        return []
    runner = service.ssm_runner
    return [led(service, "ssm", runner.run, stopping, wake=runner.wake, fence=runner.led_by)]


def event_parts(service: Service, stopping: threading.Event) -> list[Part]:
    """Status-change events, where the settings send them."""
    way = deliveries(service)
    if way is None:
        return []
    relay = events_relay(service, way)
    sending = led(service, "deliveries", way.run, stopping, wake=way.wake, fence=way.led_by)
    return [threaded("events", relay.run, stopping), sending]


def _api(service: Service, stopping: threading.Event) -> list[Part]:
    """SSM's API, where the settings open it. Raises KeysInvalid, OSError."""
    if service.settings.api_port is None:
        return []
    server = api_server(service, service.settings.api_port)
    watch = led(service, "alarm watch", service.alarm_watch.run, stopping, wake=service.db.wake)
    return [watch, Part("api", server.start, server.stop)]


def _watch(service: Service, serving: Serving) -> None:
    def by_status() -> dict[str, float]:
        with service.db.reading() as connection:
            return {status: float(count) for status, count in service.executions.counts(connection).items()}

    def open_approvals() -> float:
        with service.db.reading() as connection:
            return service.approvals.open_count(connection)

    def depths() -> dict[str, float]:
        return {queue: float(depth()) for queue, depth in serving.depths.items()}

    serving.depths["approvals"] = open_approvals
    service.metrics.watch("executions", "Executions by status", "status", by_status)
    service.metrics.watch("queue_depth", "Work that waits, by queue", "queue", depths)


def _slack(service: Service, serving: Serving) -> tuple[Doors, list[Part]]:
    """The Slack door, as the settings say: what of it is reached over HTTP, and its threads."""
    if service.settings.slack_mode == "off":
        return Doors(), []
    slack, stopping = assemble(ground_of(service)), serving.stopping
    service.recognise, service.members = slack.door.people.attested, slack.door.people.members
    serving.depths |= {"notifier": slack.relay.lag, "outbox": lambda: sum(_depths(service, slack).values())}
    service.metrics.watch(
        "slack_messages", "Messages that wait for Slack, by kind", "kind", partial(_depths, service, slack)
    )
    parts = [
        threaded("notifier", slack.relay.run, stopping),
        led(service, "outbox", slack.outbox.run, stopping, wake=slack.outbox.wake, fence=slack.outbox.led_by),
        threaded("whispers", slack.door.whispers.run, stopping),
        *errands(slack, stopping),
        *mornings(service, slack, stopping),
        *(threaded(f"workbench-{number}", slack.door.workbench.run, stopping) for number in range(WORKBENCHES)),
    ]
    pages: dict[str, Page] = {}
    if slack.several is not None:
        parts.append(threaded("tokens", slack.several.tokens.run, stopping))
        pages = {INSTALL: slack.several.pages.install, REDIRECT: slack.several.pages.redirected}
    if slack.socket is None:
        return Doors(slack=slack.http.handle if slack.http else None, pages=pages), parts
    serving.conditions["no connection to Slack"] = partial(_is_connected, slack.socket)
    return Doors(pages=pages), [*parts, threaded("socket", slack.socket.run, stopping)]


def errands(slack: Assembly, stopping: threading.Event) -> list[Part]:
    """Looks at what alarms are about, where there is a way to AWS."""
    return [threaded("errands", slack.errands.run, stopping, wake=slack.errands.wake)] if slack.errands else []


def mornings(service: Service, slack: Assembly, stopping: threading.Event) -> list[Part]:
    """Has the day told each morning, where the settings say so."""
    entry, channel = service.settings.digest, service.settings.channel
    if entry is None or not (entry.channel or channel):
        return []
    at, zone = time.fromisoformat(entry.at), ZoneInfo(entry.timezone)
    pause = stopping.wait
    found = Mornings(service.db, slack.store, service.clock, at, zone, entry.channel or channel, pause)
    schedule = Schedule()
    schedule.daily("digest", at, zone, found.tell)
    return [Part("schedule", schedule.start, schedule.stop)]


def reports(service: Service, stopping: threading.Event) -> list[Part]:
    """Has the week's break-glass told, where the settings say so; by every process, and once."""
    entry = service.settings.breakglass_report
    if entry is None:
        return []
    schedule, name = Schedule(), "break-glass report"
    job = partial(patiently, name, service.breakglass_reports.report, stopping.wait)
    schedule.weekly(name, entry.day, time.fromisoformat(entry.at), ZoneInfo(entry.timezone), job)
    return [Part("reports", schedule.start, schedule.stop)]


def ground_of(service: Service) -> Ground:
    """What the Slack door stands on."""
    lists = [entries(playbook) for playbook in service.catalog.all]
    lists += [(entry.schedule,) for entry in service.settings.on_call.values() if entry.kind == "slack"]
    lists += [*service.settings.groups.values(), who_is_named(service.guard_rules.access)]
    metrics = service.metrics
    return Ground(
        service.settings,
        service.db,
        service.audit,
        service.operations,
        service.queries,
        service.directory,
        frozenset(name for names in lists for name in names),
        service.clock,
        observe=lambda kind, seconds: metrics.ack_seconds.labels(kind).observe(seconds),
        count=lambda method, outcome: metrics.slack_calls.labels(method, outcome).inc(),
        resources=service.resources if service.settings.slack_pickers else None,
        previews=service.previews,
        care=service.alarm_care,
        looks=service.alarm_looks,
    )


def _is_connected(socket: SocketRunner) -> bool:
    return socket.is_connected


def _depths(service: Service, slack: Assembly) -> dict[str, float]:
    with service.db.reading() as connection:
        return {kind: float(count) for kind, count in slack.store.depths(connection).items()}


def _intake(service: Service, stopping: threading.Event) -> tuple[list[Part], Handler | None]:
    """The alarm door: a poller per queue, and SNS over HTTP where topics are listed."""
    settings = service.settings
    parts = []
    for number, url in enumerate(settings.sqs_queue_urls):
        intake = SqsIntake(
            service.operations,
            receive=partial(service.aws.receive_messages, url, wait_seconds=int(settings.poll_seconds)),
            delete=partial(service.aws.delete_message, url),
            queue=url,
            regions=settings.regions,
        )
        parts.append(threaded(f"sqs-{number}", intake.run, stopping, patience=0.5))
    if not settings.sns_topics:
        return parts, None
    door = SnsDoor(
        service.operations,
        topics=settings.sns_topics,
        regions=settings.regions,
        certificates=Certificates(extra_hosts=settings.sns_certificate_hosts),
        confirm=service.aws.confirm_subscription,
        clock=service.clock,
    )
    return parts, door.handle
