"""An HTTP server in a thread of its own: it listens from the moment it is made, and ends without losing an answer."""

import threading
from typing import Any

from waitress import create_server, wasyncore

PATIENCE_SECONDS = 5


class HttpServer:
    """Serves a WSGI application; `largest_body` is where the server itself hangs up, in bytes."""

    def __init__(
        self,
        application: Any,
        host: str,
        port: int,
        *,
        name: str,
        threads: int,
        largest_body: int,
        connection_limit: int = 100,
    ) -> None:
        """Take the address. Raises OSError when it cannot be had."""
        self._sockets: dict[int, Any] = {}
        try:
            self._server: Any = create_server(
                application,
                self._sockets,
                host=host,
                port=port,
                threads=threads,
                ident=None,
                max_request_body_size=largest_body,
                connection_limit=connection_limit,
            )
        except OSError:
            self._close()
            raise
        self._thread = threading.Thread(target=self._server.run, name=name, daemon=True)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.effective_port}"

    def start(self) -> None:
        """Answer requests."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, once those that are being answered are."""
        self._server.task_dispatcher.shutdown(timeout=PATIENCE_SECONDS)
        if self._thread.ident is None:
            self._close()
            return
        # Only the server's own thread may close what it selects on.
        self._server.trigger.pull_trigger(self._close)
        self._thread.join(PATIENCE_SECONDS)

    def _close(self) -> None:
        wasyncore.close_all(self._sockets)
