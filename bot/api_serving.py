"""`playbook-bot api` as a process: SSM's API, the embedded engine and nothing else."""

from pathlib import Path
from typing import Final

from audit.relay import Relay
from bot.api_server import api_server
from bot.service import Service
from bot.serving import Part, Serving, event_parts, threaded
from engine.dispatch.local import LocalDispatcher
from infra.settings import Settings
from migrations import runner

DATABASE: Final = "playbook-bot.db"


def settings_for(folder: Path, given: Settings) -> Settings:
    """The settings, with the database in the folder, which is made when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    return given.model_copy(update={"database_url": f"sqlite:///{(folder / DATABASE).resolve()}"})


def build_api(service: Service, port: int) -> tuple[Serving, str]:
    """The process and its address; the schema is brought up to date first. Raises KeysInvalid, OSError."""
    runner.upgrade(service.db)
    engine = service.engine
    dispatcher = LocalDispatcher(
        service.db, service.executions, engine, service.clock, workers=service.settings.workers
    )
    engine.dispatcher = dispatcher
    relay = Relay(service.db, service.audit, name="reactions", handle=service.reactions.handle, clock=service.clock)
    server = api_server(service, port)
    serving = Serving(service, address=server.url)
    serving.parts = [
        Part("scripts", lambda: None, service.scripts.close),
        Part("dispatcher", dispatcher.start, dispatcher.stop),
        threaded("reactions", relay.run, serving.stopping, wake=service.db.wake),
        threaded("expiry", service.expiry.run, serving.stopping, wake=service.expiry.wake),
        *event_parts(service, serving.stopping),
        threaded("alarm watch", service.alarm_watch.run, serving.stopping),
        Part("api", server.start, server.stop),
    ]
    return serving, server.url
