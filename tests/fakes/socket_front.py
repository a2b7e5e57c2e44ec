"""Slack's end of Socket Mode, as strict as Slack's: one socket gets an envelope, silence brings it again, sockets end.

Speaks just enough of RFC 6455 for the SDK's own client, over loopback.
"""

import base64
import hashlib
import json
import queue
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

MAGIC: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
PATIENCE: Final = 5.0


@dataclass(eq=False)
class Socket:
    """One connection of the bot."""

    stream: Any
    acknowledged: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, opcode: int, payload: bytes) -> None:
        """One frame, unmasked, as servers send."""
        size = len(payload)
        head = bytes([0x80 | opcode, size]) if size < 126 else bytes([0x80 | opcode, 126]) + struct.pack(">H", size)
        with self._lock:
            self.stream.sendall(head + payload)

    def say(self, message: Mapping[str, Any]) -> None:
        """One message of Slack's."""
        self.send(TEXT, json.dumps(message).encode())

    def hear(self) -> None:
        """Take what comes until the connection ends."""
        while True:
            first, second = self._read(2)
            size = second & 0x7F
            size = struct.unpack(">H", self._read(2))[0] if size == 126 else size
            mask = self._read(4)
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self._read(size)))
            opcode = first & 0x0F
            if opcode == PING:
                self.send(PONG, payload)
            elif opcode == TEXT and payload[:1] == b"{":
                self.acknowledged.put(json.loads(payload))
            elif opcode == CLOSE:
                raise EOFError

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self.stream.recv(count - len(found))
            if not part:
                raise EOFError
            found += part
        return found


class SocketFront:
    """Gives out addresses of sockets, and sends envelopes over them; a context manager."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.opened = 0
        """How often an address was asked for."""
        self._came = threading.Condition()
        self._turn = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="socket-front", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def api_url(self) -> str:
        """The base of the Web API."""
        return f"http://127.0.0.1:{self._server.server_port}/api/"

    @property
    def socket_url(self) -> str:
        """Where sockets are opened."""
        return f"ws://127.0.0.1:{self._server.server_port}/link"

    def wait_for(self, sockets: int, *, opened: int = 0) -> None:
        """Until so many stand, and so many addresses were given out. Raises TimeoutError."""
        with self._came:
            if not self._came.wait_for(lambda: len(self.sockets) == sockets and self.opened >= opened, PATIENCE):
                raise TimeoutError(f"{len(self.sockets)} sockets stand after {PATIENCE} s")

    def joined(self, socket: Socket) -> None:
        """A socket was opened."""
        with self._came:
            self.sockets.append(socket)
            self._came.notify_all()

    def left(self, socket: Socket) -> None:
        """A socket has ended."""
        with self._came:
            if socket in self.sockets:
                self.sockets.remove(socket)
            self._came.notify_all()

    def deliver(self, kind: str, payload: Mapping[str, Any], *, patience: float = PATIENCE) -> dict[str, Any] | None:
        """Send an envelope to one socket, in turn; the acknowledgement, or None where there was none in time.

        Events that nobody acknowledges are sent to the next one, as a second attempt; nothing else is.
        """
        envelope = {"envelope_id": f"E{self._turn}", "type": kind, "payload": payload, "accepts_response_payload": True}
        for attempt in range(2 if kind == "events_api" else 1):
            socket = self.sockets[self._turn % len(self.sockets)]
            self._turn += 1
            again = {"retry_attempt": attempt, "retry_reason": "timeout"} if attempt else {}
            socket.say({**envelope, **again})
            try:
                return socket.acknowledged.get(timeout=patience)
            except queue.Empty:
                continue
        return None

    def refresh(self) -> None:
        """Slack ends its connections every few hours: it says so, then the oldest one is over."""
        self.sockets[0].say({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}})


def _handler(front: SocketFront) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            front.opened += 1
            content = json.dumps({"ok": True, "url": front.socket_url}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            key = f"{self.headers['Sec-WebSocket-Key']}{MAGIC}".encode()
            accepted = base64.b64encode(hashlib.sha1(key, usedforsecurity=False).digest()).decode()
            head = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accepted}"
            self.connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n\r\n".encode())
            self.close_connection = True
            socket = Socket(self.connection)
            front.joined(socket)
            try:
                socket.say({"type": "hello", "num_connections": len(front.sockets)})
                socket.hear()
            except (EOFError, OSError):
                front.left(socket)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
