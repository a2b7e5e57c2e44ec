"""Runs scripts: each in a jailed process of its own, with the bot between it and AWS."""

import os
import secrets
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Final

import structlog

from engine.action import AwsApi
from engine.scripts import powershell, room
from engine.scripts.broker import Broker
from engine.scripts.inside import wire
from engine.scripts.inside.seat import Limits
from engine.scripts.isolation import INSTEAD, Isolation, Kind
from engine.scripts.script import LONGEST, Script, ScriptEnd, ScriptPolicy, is_powershell
from engine.scripts.session import Session
from engine.scripts.stop import Stop
from engine.scripts.warm import NoWarmProcess, WarmProcess

log = structlog.get_logger()

PYTHON: Final = ".".join(map(str, sys.version_info[:3]))
LOGGED: Final = 10_000
"""Characters of what a script printed that one line of the log holds."""
LIMITS: Final = Limits()
NO_POLICY: Final = ScriptPolicy()


class ScriptRunner:
    """One for the process. Starts nothing before the first script, or `isolation`."""

    def __init__(
        self, policy: ScriptPolicy = NO_POLICY, *, limits: Limits = LIMITS, strongest: Kind = "bubblewrap"
    ) -> None:
        self._policy, self._limits = policy, limits
        self._warm = WarmProcess(strongest=strongest)
        self._lock = threading.Lock()
        self._running: dict[str, Stop] = {}
        self._readable = room.readable()

    @property
    def isolation(self) -> Isolation:
        """What keeps scripts apart on this machine; found out once."""
        try:
            return self._warm.isolation
        except NoWarmProcess as error:
            return Isolation("none", f"scripts cannot run: {error}")

    def run(self, script: Script, aws: AwsApi) -> ScriptEnd:
        """Run a script to its end; blocks for as long as it may take (Script.seconds, at most 600)."""
        try:
            with self._listed(script.token) as stop:
                is_other = is_powershell(script.runtime)
                end = self._powershell(script, stop) if is_other else self._python(script, aws, stop)
        except NoWarmProcess as error:
            end = ScriptEnd("failed", failure=f"Scripts cannot run on this machine: {error}")
        except wire.Unsendable as error:
            end = ScriptEnd("failed", failure=f"The script cannot be given its input: {error}")
        log.info(
            "script ended", token=script.token, how=end.how, asked=script.runtime, python=PYTHON, calls=end.calls,
            cpu_seconds=round(end.cpu_seconds, 3), megabytes=end.memory // 1_000_000, printed=end.printed[:LOGGED],
        )  # fmt: skip
        return end

    def cancel(self, token: str) -> None:
        """End the script that was started with this token. Harmless when there is none."""
        with self._lock:
            stop = self._running.get(token)
        if stop is not None:
            stop.ask()

    def close(self) -> None:
        """End every script and the warm process."""
        self._warm.close()

    def _powershell(self, script: Script, stop: Stop) -> ScriptEnd:
        end = powershell.run(script, self._limits, stop)
        return replace(end, how="cancelled") if stop.is_asked else end

    def _python(self, script: Script, aws: AwsApi, stop: Stop) -> ScriptEnd:
        isolation, order = self._warm.isolation, wire.frame(_order(script))
        if not isolation.is_safe and not self._policy.allow_unjailed:
            return ScriptEnd("failed", failure=f"Scripts cannot be jailed on this machine: {INSTEAD}.")
        seconds = min(script.seconds, self._limits.seconds, LONGEST)
        scratch = f"{room.temporary()}/{secrets.token_hex(8)}"
        limits = Limits(seconds, self._limits.memory, self._limits.disk)
        seat = {
            "plan": asdict(isolation.plan),
            "limits": asdict(limits),
            "scratch": scratch,
            "readable": self._readable,
            "environment": _environment(script.region, scratch),
        }
        ours, theirs = socket.socketpair()
        output, printed = os.pipe()
        try:
            with ours:
                with theirs, _closing(printed):
                    ending = self._warm.start(seat, theirs.fileno(), printed)
                stop.by(lambda: self._warm.kill(ending, "cancel"))
                broker = Broker(aws, self._policy.allowed_calls)
                return Session(self._warm, broker, ours, output, ending, seconds).run(order)
        finally:
            os.close(output)

    @contextmanager
    def _listed(self, token: str) -> Iterator[Stop]:
        stop = Stop()
        with self._lock:
            self._running[token] = stop
        try:
            yield stop
        finally:
            with self._lock:
                self._running.pop(token, None)


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def _order(script: Script) -> dict[str, object]:
    return {
        "script": script.source,
        "handler": script.handler,
        "events": script.events,
        "context": script.context,
        "attachment_name": script.attachment_name,
        "attachment": script.attachment,
    }


def _environment(region: str, scratch: str) -> dict[str, str]:
    """All of a script's environment."""
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": scratch,
        "TMPDIR": scratch,
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }
