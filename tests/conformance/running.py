"""One document executed against moto in this process: no network, no waiting, everybody agrees."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import FrameType
from typing import Any, Final

import structlog
from moto import mock_aws

from audit.events import Actor
from engine.actions import BY_NAME
from engine.document import Document
from engine.execution import Execution, StepExecution
from engine.foreground import Foreground
from engine.parameters import ParametersInvalid
from engine.performing import Performer
from engine.preview import Surroundings, preview
from engine.preview_aws import LookingAws
from engine.protocol import StartOrder
from engine.scripts.runner import ScriptRunner
from engine.scripts.script import Script, ScriptEnd
from engine.signals import Signal, SignalType
from infra.aws import Aws
from infra.aws_identity import OURSELVES
from infra.canonical import Json
from tests.conformance.account import ACCOUNT, Account
from tests.conformance.corpus import Library
from tests.conformance.imitation import ImitatedAws
from tests.conformance.oracle_flow import Disagreement, Ran, final_status
from tests.conformance.values import stored_values, values_for
from tests.fakes.clock import ManualClock

REGION: Final = "eu-west-1"
LEE: Final = Actor("person", "person:lee", "Lee")
POLL: Final = timedelta(seconds=30)
"""Between two looks, of the run's own time: a wait for what never comes then takes two looks a minute."""
VIRTUAL: Final = "virtual time is over"
HURRY: Final = (
    "import time as _t, datetime as _d; _t._spent = [0.0]; _t._real = (_t.time, _t.monotonic)\n"
    "def _sleep(s):\n"
    "    _t._spent[0] += float(s)\n"
    f"    if _t._spent[0] > 600: raise BaseException('{VIRTUAL}')\n"
    "_t.sleep = _sleep; _t.time = lambda: _t._real[0]() + _t._spent[0]\n"
    "_t.monotonic = lambda: _t._real[1]() + _t._spent[0]\n"
)
"""Put before every script: its sleeps take no time, and 600 seconds of them are a time-out."""


class TooLong(BaseException):
    """The document has used up the seconds it may really take."""


@dataclass(frozen=True, slots=True)
class Run:
    """How an execution ended, and whether the second reading of the rules says the same."""

    status: str
    """The execution's, or `Refused` (parameters), `Stuck` (people could not move it), `TooLong`."""
    steps: tuple[str, ...] = ()
    reason: str = ""
    disagreement: str = ""
    previewed: str = ""
    unforeseen: str = ""
    seconds: float = 0.0


def _moto(document: Document) -> Any:
    """How moto is set; AWS's own policies take long to load, and few documents name one."""
    return {
        "lambda": {"use_docker": False},
        "stepfunctions": {"execute_state_machine": True},
        "iam": {"load_aws_managed_policies": "policy/" in document.text},
    }


class HurriedScripts:
    """The real runner of scripts, for scripts that do not wait."""

    def __init__(self, runner: ScriptRunner) -> None:
        self._runner = runner

    def run(self, script: Script, aws: Any) -> ScriptEnd:
        """Run it to its end."""
        source = script.source if "from __future__" in script.source else HURRY + script.source
        end = self._runner.run(replace(script, source=source, seconds=min(script.seconds, 20)), aws)
        return replace(end, how="timed_out") if VIRTUAL in end.trace + end.failure else end

    def cancel(self, token: str) -> None:
        """End it."""
        self._runner.cancel(token)


class Executor:
    """Executes documents of one library, one after the other."""

    def __init__(self, library: Library, *, seconds: float = 60) -> None:
        self._library, self._seconds = library, seconds
        self._runner = ScriptRunner()
        self._scripts = HurriedScripts(self._runner)

    def close(self) -> None:
        """End the scripts' process."""
        self._runner.close()

    def execute(self, document: Document) -> Run:
        """Seed an account, start the document and follow it to its end."""
        began = time.monotonic()
        try:
            with _at_most(self._seconds), mock_aws(config=_moto(document)):
                run = self._executed(document)
        except TooLong:
            run = Run("TooLong", reason=f"it did not end within {self._seconds:.0f} seconds")
        return replace(run, seconds=time.monotonic() - began)

    def _executed(self, document: Document) -> Run:
        clock = ManualClock()
        aws = ImitatedAws(Aws(region=REGION), OURSELVES, REGION, ACCOUNT, run_script=self._scripts.run)
        account = Account(aws)
        try:
            values = values_for(document, account)
            aws.stored = stored_values(document, account)
        except Exception as error:  # noqa: BLE001 - moto's defects are told, not raised
            return Run("Refused", reason=f"the account could not be made: {error!r}"[:300])
        previewed, foreseen = self._previewed(document, values, aws, clock)
        run = self._followed(document, values, aws, clock)
        ran = {step.partition("=")[0] for step in run.steps}
        return replace(run, previewed=previewed, unforeseen=", ".join(sorted(ran - foreseen)) if foreseen else "")

    def _previewed(
        self, document: Document, values: dict[str, Json], aws: ImitatedAws, clock: ManualClock
    ) -> tuple[str, set[str]]:
        """Whether the document can be previewed, and the steps that the preview holds possible."""
        around = Surroundings(LookingAws(aws), BY_NAME, clock(), self._library.look_for)
        try:
            found = preview(document, values, around)
        except ParametersInvalid as error:
            return str(error), set()
        except Exception as error:  # noqa: BLE001 - told in the table
            return f"the preview failed: {error!r}", set()
        return "yes", {step.name for step in document.all_steps()} - set(found.not_reached)

    def _followed(self, document: Document, values: dict[str, Json], aws: ImitatedAws, clock: ManualClock) -> Run:
        services = {"scripts": self._scripts}
        engine = Foreground(
            actions=BY_NAME,
            performer=Performer(BY_NAME, lambda _: aws, clock, poll=POLL, services=services),
            clock=clock,
            pause=lambda seconds: clock.advance(timedelta(seconds=seconds)),
            documents=self._library,
            parameter_store=aws.parameter,
        )
        try:
            state = engine.run(StartOrder(document, values, LEE, REGION, ACCOUNT, "aws"), _agree)
            return _judged(state, document)
        except ParametersInvalid as error:
            return Run("Refused", reason=str(error))
        finally:
            engine.close()


def _agree(state: Execution) -> Signal | None:
    step = state.step
    if step is None:
        return None
    kind = SignalType.APPROVE if step.action == "aws:approve" else SignalType.RESUME
    given = step.memo.get("decisions")
    number = len(given) if isinstance(given, list) else 0
    return Signal(kind, Actor("person", f"person:{number}", f"Approver {number}"), step.id)


def _judged(state: Execution, document: Document) -> Run:
    steps = tuple(f"{step.name}={step.status}" for step in state.steps)
    if not state.is_over:
        return Run("Stuck", steps, f"it stays {state.status} in the phase {state.phase}")
    record = [_ran(step) for step in state.steps]
    variables = {name: each.default for name, each in document.variables.items()}
    disagreement = ""
    try:
        wanted = final_status(document.tree, record, parameters=state.parameters, variables=variables)
        if wanted != state.status:
            disagreement = f"it should have ended as {wanted}, not {state.status}"
    except Disagreement as error:
        disagreement = str(error)
    failures = [step.failure_message for step in state.steps if step.failure_message]
    reason = state.failure_message or (f"went on after: {failures[0]}" if failures else "")
    return Run(str(state.status), steps, reason, disagreement)


def _ran(step: StepExecution) -> Ran:
    return Ran(step.name, str(step.status), step.inputs, step.outputs)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def over(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def settle_process() -> None:
    """Make this process one that only runs documents: silent, without the network, without waiting."""
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        os.environ.pop(name, None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    time.sleep = lambda seconds: None
    sys.addaudithook(_no_network)


def _no_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        raise OSError(f"{arguments[0]!r} is not looked up: this run has no network")
