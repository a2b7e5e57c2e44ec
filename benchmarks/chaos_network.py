"""A network that can be broken: a TCP proxy for each process and server, which cuts, delays and swallows."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

CHUNK = 65536


@dataclass
class Line:
    """One process's way to one server. `target` is a path of a socket, or (host, port)."""

    name: str
    target: str | tuple[str, int]
    host: str = "127.0.0.1"
    port: int = 0
    delay_seconds: float = 0.0
    passes: asyncio.Event = field(default_factory=asyncio.Event)
    refuses: bool = False
    pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = field(default_factory=set)


class Network:
    """All lines, on a thread of their own."""

    def __init__(self, seed: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._chance = random.Random(seed)
        self.lines: dict[str, Line] = {}
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()

    def line(self, name: str, target: str | tuple[str, int], host: str = "127.0.0.1") -> None:
        """Lay a line, which begins at an address of this machine; `lines` tells at which port."""
        self._do(self._lay(Line(name, target, host)))

    def cut(self, name: str) -> None:
        """Break every connection of a line; new ones pass."""
        self._do(self._cut(self.lines[name]))

    def swallow(self, name: str, seconds: float) -> None:
        """For so long nothing passes, and nobody is told: a black hole."""
        self._do(self._swallow(self.lines[name], seconds))

    def refuse(self, name: str, seconds: float) -> None:
        """For so long the server is away: connections break and new ones are refused."""
        self._do(self._refuse(self.lines[name], seconds))

    def slow(self, name: str, delay: float, seconds: float) -> None:
        """For so long everything takes `delay` seconds more on its way."""
        self._do(self._slow(self.lines[name], delay, seconds))

    def close(self) -> None:
        """Tear everything down."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    def _do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    async def _lay(self, line: Line) -> int:
        line.passes.set()

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.CancelledError):  # at the end of everything
                await self._carry(line, reader, writer)

        server = await asyncio.start_server(carry, line.host, 0)
        self._servers.append(server)
        self.lines[line.name] = line
        line.port = int(server.sockets[0].getsockname()[1])
        return line.port

    async def _carry(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if line.refuses:
            writer.transport.abort()
            return
        await line.passes.wait()
        try:
            if isinstance(line.target, str):
                from_there, to_there = await asyncio.open_unix_connection(line.target)
            else:
                from_there, to_there = await asyncio.open_connection(*line.target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, to_there)
        line.pairs.add(pair)
        pumps = [asyncio.create_task(self._pump(line, *way)) for way in ((reader, to_there), (from_there, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            line.pairs.discard(pair)
            for end in pair:
                end.transport.abort()

    async def _pump(self, line: Line, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                await line.passes.wait()
                if line.delay_seconds:
                    await asyncio.sleep(line.delay_seconds * self._chance.random() * 2)
                sink.write(data)
                await sink.drain()

    async def _cut(self, line: Line) -> None:
        for pair in list(line.pairs):
            for end in pair:
                end.transport.abort()

    async def _swallow(self, line: Line, seconds: float) -> None:
        line.passes.clear()
        self._loop.call_later(seconds, line.passes.set)

    async def _refuse(self, line: Line, seconds: float) -> None:
        line.refuses = True
        await self._cut(line)
        self._loop.call_later(seconds, lambda: setattr(line, "refuses", False))

    async def _slow(self, line: Line, delay: float, seconds: float) -> None:
        line.delay_seconds = delay
        self._loop.call_later(seconds, lambda: setattr(line, "delay_seconds", 0.0))

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for line in self.lines.values():
            await self._cut(line)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
