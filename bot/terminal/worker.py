"""`playbook-bot worker`: carries executions that bots on other machines have started."""

import threading
from functools import partial
from pathlib import Path

import click
import structlog

from bot.service import Service
from bot.serving import dispatcher_of, shared_clock, threaded
from bot.terminal.answers import refuse, sentences
from bot.terminal.heartbeat import beat
from engine.dispatch.celery import celery_app, serve_tasks
from infra.log import configure
from infra.settings import load
from migrations import runner

log = structlog.get_logger(__name__)
NOT_NEEDED = (
    "Workers are for many machines, and the settings say dispatch: local, where the bot itself carries executions. "
    "Set dispatch: celery and broker_url, for the bot and here."
)


@click.command()
@click.option("--threads", type=click.IntRange(1, 256), default=None, help="Executions carried at once.")
@click.option(
    "--heartbeat",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="A file to touch every 5 seconds, for a health check.",
)
@sentences
def worker(threads: int | None, heartbeat: Path | None) -> None:
    """Carry executions that arrive from RabbitMQ, until told to stop."""
    settings = load()
    configure(settings.log_level, style=settings.log_format, secrets=settings.secrets)
    if settings.dispatch != "celery":
        refuse(NOT_NEEDED)
    service = Service(settings)
    runner.check(service.db)
    _ = service.catalog  # a broken folder stops the start here, before anything is taken from the queue
    work(service, threads or settings.workers, heartbeat)


def work(service: Service, threads: int, heartbeat: Path | None = None) -> None:
    """Take messages until SIGTERM; what is in hand then is finished, what is not found again by its row."""
    settings, stopping = service.settings, threading.Event()
    parts = shared_clock(service, stopping)
    if heartbeat is not None:
        parts.append(threaded("heartbeat", partial(beat, heartbeat), stopping))
    app = celery_app(settings.broker_url.get_secret_value(), queue=settings.broker_queue)
    serve_tasks(app, service.engine)
    dispatcher = dispatcher_of(service)
    dispatcher.start()
    for part in parts:
        part.start()
    log.info("working", threads=threads, queue=settings.broker_queue)
    try:
        app.worker_main(
            ["--quiet", "worker", "--pool=threads", f"--concurrency={threads}", "--loglevel=WARNING",
             "--without-mingle", "--without-gossip"]
        )  # fmt: skip
    finally:
        stopping.set()
        dispatcher.stop()
        service.scripts.close()
        service.db.close()
