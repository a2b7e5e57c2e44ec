"""A script runner for each kind of jail that this machine offers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import pytest

from engine.scripts.inside.seat import Limits
from engine.scripts.isolation import Kind
from engine.scripts.runner import ScriptRunner
from engine.scripts.script import Script, ScriptEnd
from tests.fakes.aws import QuietAws

MEGABYTE = 1024 * 1024
SMALL = Limits(seconds=20, memory=160 * MEGABYTE, disk=32 * MEGABYTE)


@dataclass
class Jail:
    """A runner, and the shortest way to run a script in it."""

    runner: ScriptRunner
    kind: Kind

    def run(self, source: str, events: Any = None, *, aws: Any = None, **fields: Any) -> ScriptEnd:
        """Run `source`, whose function is `handler`."""
        fields = {"handler": "handler", "context": {}, "region": "eu-west-1", "token": "one", **fields}
        return self.runner.run(Script(source=source, events=events, **fields), aws or QuietAws())

    def body(self, *lines: str, **fields: Any) -> ScriptEnd:
        """Run these lines as the body of the handler."""
        return self.run("\n    ".join(["def handler(events, context):", *lines]), **fields)


def opened(kind: Kind) -> Jail:
    """A jail of that kind, or a skip that says why there is none."""
    runner = ScriptRunner(limits=SMALL, strongest=kind)
    found = runner.isolation
    if found.kind != kind:
        runner.close()
        pytest.skip(f"this machine has no jail of kind {kind} ({found.detail})")
    return Jail(runner, kind)


@pytest.fixture(scope="session", params=[kind for kind in get_args(Kind) if kind != "none"])
def jail(request: pytest.FixtureRequest) -> Iterator[Jail]:
    """Every kind of jail in turn."""
    jail = opened(request.param)
    yield jail
    jail.runner.close()


@pytest.fixture(scope="session")
def best_jail() -> Iterator[Jail]:
    """The strongest jail of this machine."""
    runner = ScriptRunner(limits=SMALL)
    found = runner.isolation
    if found.kind == "none":
        runner.close()
        pytest.skip(f"scripts cannot be jailed on this machine ({found.detail})")
    yield Jail(runner, found.kind)
    runner.close()
