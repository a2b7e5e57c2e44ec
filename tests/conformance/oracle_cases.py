"""The cases of a foreign simulator, played here; and where it is wrong, what the rules say instead."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from audit.events import Actor
from engine.action import Action, ActionContext, Failed, Outcome
from engine.actions import BY_NAME
from engine.actions.branch import Branch
from engine.actions.pause import Pause
from engine.actions.sleep import Sleep, SleepInputs
from engine.execution import Execution
from engine.expressions import Scope, resolve
from engine.foreground import Foreground
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.signals import Signal, SignalType
from engine.unreachable_aws import NoAws
from engine.validation import parse
from infra.aws_models import operation_model, operation_name
from infra.canonical import Json
from tests.fakes.clock import ManualClock

LEE: Final = Actor("person", "person:lee", "Lee")
DIFFERENCES: Final[Mapping[str, str]] = {
    "step: jump on failure skips sleep3": (
        "the simulator ends as Success; a step whose failure is followed to step:X is critical unless it says "
        "isCritical: false, so the execution is Failed (reference §2.4)"
    ),
    "No default, nothing matches": (
        "the simulator throws; a branch without a match goes on with the next step, or ends with isEnd (§2.3)"
    ),
    "declared output type String but response is a number -> step FAILED": (
        "the simulator refuses a number for String; numbers are turned into text (§4.4, §8 choice 34)"
    ),
    "gives up at timeout": "the simulator says Failed; the service says TimedOut (§2.2)",
}
"""Cases where this engine is meant to say something else than the simulator, and why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one case came out; `found` differs from `expected` where the engine disagrees with the simulator."""

    title: str
    expected: Json
    found: Json

    @property
    def agrees(self) -> bool:
        """Whether both say the same."""
        return self.expected == self.found


def cases(corpus: Path) -> list[dict[str, Any]]:
    """All cases of the file."""
    found: list[dict[str, Any]] = json.loads((corpus / "oracle" / "cdk_ssm_documents_cases.json").read_text())["cases"]
    return found


def judge(case: Mapping[str, Any], scripts: Any) -> Verdict:
    """Play one case."""
    if case["kind"] == "choice":
        return _choice(case)
    return _document(case, scripts) if case["kind"] == "document" else _step(case)


def _choice(case: Mapping[str, Any]) -> Verdict:
    resolved = resolve({"Choices": [case["choice"]]}, Scope(parameters=case["inputs"]))
    context = ActionContext(
        now=ManualClock()(), execution_id="e", step_name="s", step_execution_id="x", token="t", memo={},
        may_have_run=False, aws=NoAws("eu-west-1", "1", "aws"), system={},
    )  # fmt: skip
    outcome = Branch().run(Branch.Inputs.model_validate(resolved), context)  # type: ignore[arg-type]  # its own inputs
    return Verdict(case["title"], case["expect"], getattr(outcome, "next_step", None) is not None)


@dataclass
class _Table:
    """An AWS that gives the answers of a case in turn."""

    answers: Sequence[Mapping[str, Any]]
    asked: list[dict[str, Any]] = field(default_factory=list)
    region: str = "eu-west-1"
    account: str = "123456789012"
    partition: str = "aws"

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """The next answer; the last one stays."""
        self.asked.append(dict(params))
        return dict(self.answers[min(len(self.asked), len(self.answers)) - 1])

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's model."""
        return operation_model(service.lower(), operation_name(service.lower(), operation))

    def drain(self) -> tuple[()]:
        """Nothing is audited."""
        return ()


def _step(case: Mapping[str, Any]) -> Verdict:
    context, step = case.get("context", {}), dict(case["step"])
    step["inputs"] = resolve(
        step["inputs"],
        Scope(
            parameters={}, outputs={name.split(".")[0]: {name.split(".")[1]: value} for name, value in context.items()}
        ),
    )
    aws = _Table(case.get("aws_responses") or [case["aws_response"]])
    state = _run({"mainSteps": [step]}, {}, aws, {}, None)
    expected: dict[str, Json] = dict(case["expect"])
    found: dict[str, Json] = {}
    for key in expected:
        if key == "status":
            found[key] = str(state.status)
        elif key == "api_calls":
            found[key] = len(aws.asked)
        elif key == "aws_params":
            found[key] = aws.asked[0] if aws.asked else None
        elif key == "outputs":
            found[key] = {f"{each.name}.{name}": value for each in state.steps for name, value in each.outputs.items()}
    return Verdict(case["title"], expected, found)


class _Stumbling(Sleep):
    """aws:sleep, which fails at some steps."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def run(self, inputs: SleepInputs, context: ActionContext) -> Outcome:
        """Fail there, sleep elsewhere."""
        return Failed("made to fail") if context.step_name in self._names else super().run(inputs, context)


def _document(case: Mapping[str, Any], scripts: Any) -> Verdict:
    actions: dict[str, Action[Any]] = {**BY_NAME, "aws:sleep": _Stumbling(case.get("fail", ())), "aws:pause": Pause()}
    given = case.get("inputs", {})
    declared = {name: {"type": "String"} for name in given} | dict(case.get("parameters", {}))
    tree = {"parameters": declared, **{key: case[key] for key in ("variables", "outputs", "mainSteps") if key in case}}
    state = _run(tree, given, _Table([{}]), actions, scripts)
    ran = [step.name for step in state.steps]
    good = [step.name for step in state.steps if step.status == "Success"]
    expected = {key: value for key, value in case["expect"].items() if key not in ("simulator", "aws_docs")}
    everything: dict[str, Json] = {
        "status": str(state.status),
        "executedSteps": [*ran],
        "executedSteps_excluding_failed": [*good],
        "outputs": {f"{s.name}.{n}": v for s in state.steps for n, v in s.outputs.items()},
        "documentOutputs": [*state.outputs.values()],
    }
    found: dict[str, Json] = {key: everything[key] for key in expected}
    if "outputs" in expected:
        found["outputs"] = {key: everything["outputs"].get(key) for key in expected["outputs"]}  # type: ignore[union-attr]
    if "simulator" in case["expect"]:
        expected["executedSteps"], found["executedSteps"] = ["(throws)"], [*ran]
    return Verdict(case["title"], expected, found)


def _run(
    tree: Mapping[str, Any], given: Mapping[str, Json], aws: _Table, actions: Mapping[str, Action[Any]], scripts: Any
) -> Execution:
    clock, chosen = ManualClock(), actions or BY_NAME
    engine = Foreground(
        actions=chosen,
        performer=Performer(chosen, lambda _: aws, clock, services={"scripts": scripts}),
        clock=clock,
        pause=lambda seconds: clock.advance(timedelta(seconds=seconds)),
    )
    document = parse(json.dumps({"schemaVersion": "0.3", **tree}), name="case")
    order = StartOrder(document, given, LEE, "eu-west-1", "123456789012", "aws")
    state = engine.run(order, lambda waiting: Signal(SignalType.RESUME, LEE, waiting.step.id if waiting.step else ""))
    engine.close()
    return state
