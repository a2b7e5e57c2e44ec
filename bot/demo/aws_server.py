"""The child process behind the demo's AWS: moto's server with acting alarms and slow instances, on loopback."""

import argparse
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from bot.demo import health, moto_sns
from bot.demo.moto_instances import Pace


class Front:
    """Answers what SNS answers without a signature (certificates); the rest is moto's."""

    def __init__(self, moto: Callable[..., Iterable[bytes]]) -> None:
        self._moto = moto

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One WSGI request."""
        path = environ.get("PATH_INFO", "")
        pem = moto_sns.certificate(path)
        if pem is None:
            return self._moto(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/x-pem-file"), ("Content-Length", str(len(pem)))])
        return [pem]


def serve(port_file: Path, pace: Pace) -> None:
    """Run the server in this process until it is killed; its port is written when it listens."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = Front(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    health.install(pace, certificates_at=f"http://127.0.0.1:{server.port}")
    ready = port_file.with_suffix(".tmp")
    ready.write_text(str(server.port))
    ready.replace(port_file)
    server.serve_forever()


def main() -> None:
    """Entry of the child process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--pace", type=json.loads, required=True)
    options = parser.parse_args()
    known = {field.name for field in fields(Pace)}
    serve(options.port_file, Pace(**{name: value for name, value in options.pace.items() if name in known}))


if __name__ == "__main__":
    main()
