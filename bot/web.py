"""The HTTP door frame: health, metrics, and where Slack and SNS knock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

LARGEST_BODY: Final = 1_000_000
"""Bytes. Slack's views stay under 250 kB, SNS messages under 256 kB."""

SENTENCES: Final[Mapping[int, str]] = {
    404: "There is nothing here. Slack knocks at /slack/events, SNS at /sns; see also /healthz, /readyz and /metrics.",
    405: "Slack and SNS send their requests with POST; /healthz, /readyz and /metrics are read with GET.",
    413: f"The request is larger than {LARGEST_BODY:,} bytes.",
    500: "Something went wrong here; the log has the rest.",
}

Answer = tuple[int, Mapping[str, str], bytes]
Handler = Callable[[Mapping[str, str], bytes], Answer]
Page = Callable[[Mapping[str, str], Mapping[str, str]], Answer]
"""Called with what the address asks for, and the cookies."""


class Readiness(Protocol):
    """What /readyz asks."""

    def problems(self) -> list[str]:
        """Why the bot cannot do its work now; empty = it can."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Handlers of the paths that the settings switch on."""

    slack: Handler | None = None
    sns: Handler | None = None
    pages: Mapping[str, Page] = field(default_factory=dict)
    """Path -> a page for browsers."""


def build_web(doors: Doors, readiness: Readiness, registry: CollectorRegistry) -> Flask:
    """The WSGI application. It listens where `http_host` and `http_port` say."""
    web = Flask("playbook-bot", static_folder=None)
    web.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY

    @web.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @web.get("/readyz")
    def readyz() -> Response:
        problems = readiness.problems()
        text = "\n".join(problems) or "ready"
        return Response(f"{text}\n", status=503 if problems else 200, mimetype="text/plain")

    @web.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    for status, sentence in SENTENCES.items():
        web.register_error_handler(status, partial(_plain, status, sentence))
    if doors.slack is not None:
        web.add_url_rule("/slack/events", "slack", _view(doors.slack), methods=["POST"])
    if doors.sns is not None:
        web.add_url_rule("/sns", "sns", _view(doors.sns), methods=["POST"])
    for path, page in doors.pages.items():
        web.add_url_rule(path, path, _shown(page), methods=["GET"])
    return web


def _shown(page: Page) -> Callable[[], Response]:
    def view() -> Response:
        status, headers, body = page(request.args.to_dict(), request.cookies.to_dict())
        return Response(body, status=status, headers=dict(headers))

    return view


def _plain(status: int, sentence: str, _error: Exception) -> Response:
    return Response(f"{sentence}\n", status=status, mimetype="text/plain")


def _view(handler: Handler) -> Callable[[], Response]:
    def view() -> Response:
        status, headers, body = handler(dict(request.headers.items()), request.get_data(cache=False))
        return Response(body, status=status, headers=dict(headers))

    return view
