"""A Slack Web API on loopback that answers from a table and remembers what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class SlackApi:
    """Answers `method`, or `method:ARGUMENT`, with what `answers` holds; `headers` come with every answer."""

    answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """(method, token) of every call."""

    def answer(self, method: str, token: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        """The first that fits: by one of the arguments, else by the method alone."""
        self.asked.append((method, token))
        keys = [f"{method}:{value}" for value in arguments.values()]
        found = next((self.answers[key] for key in keys if key in self.answers), self.answers.get(method))
        return {"ok": True, **found} if found is not None else {"ok": False, "error": "unknown_method"}


@contextmanager
def slack_api() -> Iterator[SlackApi]:
    """One that runs while the block does."""
    slack = SlackApi()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(slack))
    slack.url = f"http://127.0.0.1:{server.server_port}/api/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield slack
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(slack: SlackApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            is_json = "json" in self.headers.get("Content-Type", "")
            arguments = json.loads(body or "{}") if is_json else dict(parse_qsl(body))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            self._send(json.dumps(slack.answer(urlsplit(self.path).path.rpartition("/")[2], token, arguments)).encode())

        def do_GET(self) -> None:
            arguments = dict(parse_qsl(urlsplit(self.path).query))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            self._send(json.dumps(slack.answer(urlsplit(self.path).path.rpartition("/")[2], token, arguments)).encode())

        def _send(self, body: bytes) -> None:
            self.send_response_only(200)
            for name, value in {"Content-Type": "application/json", **slack.headers}.items():
                self.send_header(name, value)
            self.send_header("Date", self.date_time_string())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
