"""aws:executeScript: what a script gets, what its step becomes, and how it reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws
from pydantic import ValidationError

from engine.action import FailureType, Stage
from engine.actions import BY_NAME
from engine.actions.execute_script import CRASHED, HERE
from engine.execution import Execution, Status
from engine.foreground import Foreground
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.scripts.runner import ScriptRunner
from engine.scripts.script import Script, ScriptEnd
from engine.validation import parse
from infra.aws import Aws
from infra.canonical import Json
from tests.engine.actions.rig import TOKEN, Rig, answering, failed, succeeded, waiting
from tests.engine.worlds import LEE
from tests.fakes.clock import ManualClock

PLAIN: Mapping[str, Any] = {"Runtime": "python3.11", "Handler": "go", "Script": "def go(e, c): return 1"}


@dataclass
class Runner:
    """A script runner that answers from the test."""

    end: ScriptEnd = field(default_factory=lambda: ScriptEnd("done", payload="1"))
    ran: list[Script] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def run(self, script: Script, aws: Any) -> ScriptEnd:
        """Note it."""
        self.ran.append(script)
        return self.end

    def cancel(self, token: str) -> None:
        """Note it."""
        self.cancelled.append(token)


def rig(runner: Runner | None, *, fields: Mapping[str, Any] | None = None, **inputs: Any) -> Rig:
    """An attempt with these inputs beyond the plain ones."""
    given = {name: value for name, value in {**PLAIN, **inputs}.items() if value is not None}
    services = {"scripts": runner} if runner else {}
    return Rig("aws:executeScript", given, answering(), fields={"services": services, **(fields or {})})


def test_returns_payload_twice() -> None:
    """Payload is the value, OutputPayload its JSON text; selectors see {"Payload": …}."""
    runner = Runner(ScriptEnd("done", payload='{"a": [1, null]}'))

    outcome = succeeded(rig(runner).look())

    assert outcome.outputs == {"Payload": {"a": [1, None]}, "OutputPayload": '{"Payload": {"a": [1, null]}}'}
    assert outcome.root == {"Payload": {"a": [1, None]}}


def test_gives_the_script_its_surroundings() -> None:
    """Events, system values, Region, token and time-out arrive."""
    runner = Runner()
    system = {"global:REGION": "eu-west-1", "automation:EXECUTION_ID": "x"}

    rig(runner, InputPayload={"n": 1}, fields={"system": system, "timeout": timedelta(seconds=30)}).look()

    script = runner.ran[0]
    assert (script.events, script.context, script.region) == ({"n": 1}, system, "eu-west-1")
    assert (script.token, script.seconds, script.handler) == (TOKEN, 30, "go")


@pytest.mark.parametrize(
    ("payload", "events"),
    [(None, {}), ("", {}), ('{"a": 1}', {"a": 1}), ({"a": "{"}, {"a": "{"}), ("[1]", [1])],
)
def test_understands_input_payload(payload: Any, events: Any) -> None:
    """InputPayload is a map or JSON text; without one the events are empty."""
    runner = Runner()

    rig(runner, InputPayload=payload).look()

    assert runner.ran[0].events == events


def test_refuses_a_payload_that_is_no_json() -> None:
    """Text that is not JSON is said to be so."""
    with pytest.raises(ValidationError, match="InputPayload is text, but not JSON"):
        rig(Runner(), InputPayload="{").look()


@pytest.mark.parametrize("runtime", ["python3.6", "python3.7", "python3.10", "python3.14", " Python3.11 "])
def test_takes_every_runtime(runtime: str) -> None:
    """Old and new runtimes run on the Python that is here."""
    assert succeeded(rig(Runner(), Runtime=runtime).look()).outputs["Payload"] == 1


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"Runtime": "python2.7"}, 'Runtime "python2.7" is unknown; python3.6 to python3.14 and PowerShell are'),
        ({"Runtime": "python3.5"}, 'Runtime "python3.5" is unknown; python3.6 to python3.14 and PowerShell are'),
        ({"Handler": None}, "Handler is missing: the name of the function to call"),
        ({"Script": None}, "aws:executeScript needs Script or Attachment"),
        ({"Attachment": "a.zip"}, 'Attachment "a.zip" is not there; it must be among the files of the document'),
        ({"Runtime": "PowerShell 7.4"}, "PowerShell scripts have no Handler"),
    ],
)
def test_says_what_is_wrong(inputs: Mapping[str, Any], sentence: str) -> None:
    """Inputs that cannot work fail for good, before anything runs."""
    runner = Runner()

    outcome = failed(rig(runner, **inputs).look())

    assert (outcome.message, outcome.stage, outcome.is_final) == (sentence, Stage.INPUT_VALIDATION, True)
    assert runner.ran == []


def test_passes_attachments_on() -> None:
    """The content of the attachment goes with the script."""
    runner = Runner()

    rig(runner, Script=None, Handler="a.go", Attachment="a.py", fields={"files": {"a.py": b"x"}}).look()

    assert (runner.ran[0].attachment_name, runner.ran[0].attachment) == ("a.py", b"x")


def test_fails_with_the_traceback() -> None:
    """The message is the traceback; another runtime than the one that ran is named."""
    end = ScriptEnd(
        "failed", failure="ValueError: x", trace='Traceback …\n  File "customer_script.py"\nValueError: x\n'
    )

    plain, other = failed(rig(Runner(end), Runtime=HERE).look()), failed(rig(Runner(end), Runtime="python3.6").look())

    assert plain.message == 'Traceback …\n  File "customer_script.py"\nValueError: x'
    assert other.message.endswith(f"ValueError: x (python3.6 was asked for; it ran on {HERE})")
    assert plain.while_doing == "Poll action status for completion"
    assert not plain.is_final


@pytest.mark.parametrize(
    "payload", ["", "[1", "NaN", '{"a": Infinity}', "[" * 20_000 + "]" * 20_000, '"' + "x" * 102_400]
)
def test_believes_no_payload(payload: str) -> None:
    """A result that a script has forged past its runner is checked again."""
    assert failed(rig(Runner(ScriptEnd("done", payload=payload))).look()).message.startswith(
        "The script's result cannot be used"
    )


def test_times_out_as_a_step() -> None:
    """A script that was stopped at its time-out leaves the step to its own deadline."""
    attempt = rig(Runner(ScriptEnd("timed_out")), fields={"timeout": timedelta(seconds=30)})

    wait = waiting(attempt.look())

    assert wait.until == attempt.context.now
    assert attempt.elapsed == timedelta(seconds=30)
    assert failed(attempt.look()).message == "The script did not end within 30 seconds"


def test_cancels_by_token() -> None:
    """Cancelling the step stops the script; without a runner there is nothing to stop."""
    runner = Runner(ScriptEnd("cancelled"))
    attempt = rig(runner)

    attempt.cancel()
    rig(None).cancel()

    assert runner.cancelled == [TOKEN]
    assert failed(attempt.look()).message == "The script was stopped because its step was cancelled"


def test_is_not_repeated_after_a_crash() -> None:
    """When the bot died while the script ran, the attempt fails and says so; maxAttempts decides about another."""
    runner = Runner()

    outcome = failed(rig(runner).look(crashed=True))

    assert (outcome.message, outcome.type, outcome.is_final) == (CRASHED, FailureType.INTERNAL, False)
    assert runner.ran == []


def test_needs_a_runner() -> None:
    """A process without a script runner says so."""
    assert failed(rig(None).look()).message == "Scripts cannot run here: this process has no script runner"


# -- in a runbook, in a jail


@pytest.fixture(scope="module")
def runner() -> Iterator[ScriptRunner]:
    """The real one; or a skip that says why not."""
    runner = ScriptRunner()
    if not runner.isolation.is_safe:
        pytest.skip(f"scripts cannot be jailed on this machine ({runner.isolation.detail})")
    yield runner
    runner.close()


def play(runner: ScriptRunner, text: str, **parameters: Json) -> tuple[Execution, list[str]]:
    """Run a runbook on an empty AWS: how it ended and what it called."""
    clock = ManualClock()
    with mock_aws():
        aws = Aws(region="eu-west-1").session()
        performer = Performer(BY_NAME, lambda _: aws, clock, services={"scripts": runner})
        engine = Foreground(
            actions=BY_NAME, performer=performer, clock=clock,
            pause=lambda seconds: clock.advance(timedelta(seconds=seconds)),
        )  # fmt: skip
        order = StartOrder(parse(text, name="test"), parameters, LEE, "eu-west-1", "123456789012", "aws")
        state = engine.run(order, lambda _: None)
        with engine._db.reading() as connection:
            entries = engine.audit.entries(connection, subject=state.id)
            called = [
                f"{e.event.data['service']}:{e.event.data['operation']}"
                for e in entries
                if e.event.name == "aws.called"
            ]
        engine.close()
    return state, called


RUNBOOK = """
schemaVersion: '0.3'
parameters:
  Names: {type: StringList}
mainSteps:
- name: make
  action: aws:executeScript
  inputs:
    Runtime: python3.8
    Handler: make
    InputPayload: {names: '{{ Names }}'}
    Script: |
      import boto3
      def make(events, context):
          sqs = boto3.client("sqs")
          for name in events["names"]:
              sqs.create_queue(QueueName=name)
          return {"count": len(events["names"]), "region": context["global:REGION"]}
  outputs:
  - {Name: Count, Selector: $.Payload.count, Type: Integer}
  - {Name: Where, Selector: $.Payload.region, Type: String}
- name: look
  action: aws:executeScript
  inputs:
    Runtime: python3.11
    Handler: look
    InputPayload: {before: '{{ make.Count }}', all: '{{ make.OutputPayload }}'}
    Script: |
      def look(events, context):
          return f"{events['before']} in {context['automation:EXECUTION_ID'][:0]}{events['all']}"
outputs: [make.Count, make.Where, look.Payload]
"""


def test_a_runbook_with_scripts_runs_to_its_end(runner: ScriptRunner) -> None:
    """Outputs flow from script to script, and every call to AWS is in the trail."""
    state, called = play(runner, RUNBOOK, Names=["a", "b"])

    assert (state.status, state.failure_message) == (Status.SUCCESS, "")
    assert (state.outputs["make.Count"], state.outputs["make.Where"]) == (2, "eu-west-1")
    assert state.outputs["look.Payload"] == '2 in {"Payload": {"count": 2, "region": "eu-west-1"}}'
    assert called == ["sqs:CreateQueue", "sqs:CreateQueue"]


FAILING = """
schemaVersion: '0.3'
mainSteps:
- name: fail
  action: aws:executeScript
  timeoutSeconds: 1
  inputs:
    Runtime: python3.11
    Handler: go
    Script: |
      import boto3, time
      def go(events, context):
          BODY
"""


def test_a_failure_reads_as_aws_writes_it(runner: ScriptRunner) -> None:
    """Stage, traceback with the script's own line, where to read on."""
    state, called = play(runner, FAILING.replace("BODY", "boto3.client('sqs').get_queue_url(QueueName='none')"))

    message = state.failure_message
    assert state.status is Status.FAILED
    assert message.startswith(
        "Step fails when it is Poll action status for completion. Traceback (most recent call last):"
    )
    assert "customer_script.py\", line 3, in go\n    boto3.client('sqs').get_queue_url(QueueName='none')" in message
    assert "NonExistentQueue" in message
    assert "scripts/inside" not in message
    assert message.endswith("for more diagnosis details.")
    assert called == ["sqs:GetQueueUrl"]


def test_a_script_that_does_not_end_is_timed_out(runner: ScriptRunner) -> None:
    """The step is TimedOut, as every other step is."""
    state, _ = play(runner, FAILING.replace("BODY", "time.sleep(60)"))

    assert state.status is Status.TIMED_OUT
    assert state.failure_message.startswith("Step timed out while step is fail: it did not end within 1 seconds")
