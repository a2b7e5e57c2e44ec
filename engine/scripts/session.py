"""One script's run as the bot sees it: the order goes in, calls to AWS come out, and an end within its time."""

import os
import selectors
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.scripts.broker import Broker
from engine.scripts.inside import wire
from engine.scripts.script import PRINT_KEPT, PRINT_LIMIT, Printed, ScriptEnd
from engine.scripts.warm import Ending, WarmProcess

PIECE: Final = 1 << 18
PATIENCE: Final = 10.0
"""Seconds until a killed process must be reported dead."""
SIGNALS: Final = {
    signal.SIGKILL: "was killed, most likely because the machine ran out of memory",
    signal.SIGXCPU: "used up its CPU time",
    signal.SIGXFSZ: "wrote a file larger than its scratch folder",
    signal.SIGSEGV: "crashed (segmentation fault)",
    signal.SIGABRT: "aborted",
    signal.SIGSYS: "made a system call that does not exist on this machine",
}
REASONS: Final = {
    "output": f"printed more than {PRINT_LIMIT // 1_000_000} MB",
    "disk": "used up its scratch folder",
    "protocol": "wrote something into the bot's channel that is not a call to AWS",
    "gone": "ended with the process that runs scripts, which has been started again",
}


@dataclass
class Session:
    """Holds the two streams of a script and its process, until it is over."""

    warm: WarmProcess
    broker: Broker
    channel: socket.socket
    output: int
    ending: Ending
    seconds: float
    printed: Printed = field(default_factory=Printed)
    _frames: wire.Frames = field(default_factory=lambda: wire.Frames(largest=wire.LARGEST_QUESTION))
    _answer: Mapping[str, Any] | None = None
    _why: str = ""

    def run(self, order: bytes) -> ScriptEnd:
        """Give the order (a frame), serve its calls, wait for its end."""
        deadline = time.monotonic() + self.seconds
        try:
            self._send(order, deadline)
            self._serve(deadline)
        except TimeoutError:
            self._why = "time"
        except wire.BrokenFrame:
            self._why = "protocol"
        except OSError:
            self._why = self._why or ""  # the process has ended while it was written to: how, its ending says
        self.warm.kill(self.ending, self._why or "done")
        self.ending.is_over.wait(PATIENCE)
        self._drain()
        return self._end()

    def _serve(self, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ, self._hear)
            selector.register(self.output, selectors.EVENT_READ, self._read)
            while self._answer is None and not self._why:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                for key, _ in selector.select(left):
                    if not key.data(deadline):
                        selector.unregister(key.fileobj)
                if self.channel.fileno() not in selector.get_map():
                    return

    def _hear(self, deadline: float) -> bool:
        piece = self.channel.recv(PIECE)
        for header, binary in self._frames.feed(piece):
            message = wire.opened(header, binary)
            if isinstance(message, dict) and message.keys() & {"payload", "failure", "unjailed"}:
                self._answer = message
                return True
            self._send(self.broker.reply(message), deadline)
        return bool(piece)

    def _send(self, frame: bytes, deadline: float) -> None:
        self.channel.settimeout(max(0.01, deadline - time.monotonic()))
        self.channel.sendall(frame)

    def _read(self, _: float = 0) -> bool:
        piece = os.read(self.output, PIECE)
        self.printed.add(piece)
        if self.printed.total > PRINT_LIMIT:
            self._why = "output"
        return bool(piece)

    def _drain(self) -> None:
        """What was printed last; the process is dead, so this ends."""
        if not self.ending.is_over.is_set():
            return
        os.set_blocking(self.output, False)
        try:
            while self._read() and self.printed.total <= PRINT_LIMIT:
                pass
        except BlockingIOError:
            return

    def _end(self) -> ScriptEnd:
        ending, answer = self.ending, self._answer
        why = self._why or ("" if ending.why == "done" else ending.why)
        facts: dict[str, Any] = {
            "printed": self.printed.text,
            "calls": self.broker.calls,
            "cpu_seconds": ending.cpu,
            "memory": ending.memory,
        }
        if why in ("time", "cancel"):
            return ScriptEnd(how="timed_out" if why == "time" else "cancelled", **facts)
        if answer is None:
            return ScriptEnd(how="failed", failure=f"The script {self._died(why)}.", **facts)
        if "unjailed" in answer:
            failure = f"The script was not run: it could not be jailed ({str(answer['unjailed'])[:500]})."
            return ScriptEnd(how="failed", failure=failure, **facts)
        if "failure" in answer:
            trace = str(answer.get("trace", ""))[:PRINT_KEPT]
            return ScriptEnd(how="failed", failure=str(answer["failure"])[:PRINT_KEPT], trace=trace, **facts)
        return ScriptEnd(how="done", payload=str(answer["payload"]), **facts)

    def _died(self, why: str) -> str:
        if why:
            return REASONS.get(why, why)
        if os.WIFSIGNALED(self.ending.status):
            number = os.WTERMSIG(self.ending.status)
            return SIGNALS.get(signal.Signals(number), f"was ended by signal {number}")
        return f"ended without a result (exit code {os.waitstatus_to_exitcode(self.ending.status)})"
