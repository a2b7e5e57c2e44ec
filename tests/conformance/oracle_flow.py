"""A second reading of SSM Automation's flow, written from the rules and not from the engine.

Given what each step came to, it says which steps run and how the execution ends. It works on the bare tree of the
document and shares no code with the engine. Sources: reference/ssm-automation.md §2.1 (defaults), §2.3 (after a step),
§2.4 (final status), §2.7 (the order of things), §3.3 (conditions), §3.12 (loops).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

WHOLE: Final = re.compile(r"\s*\{\{\s*([\w.:]+)\s*\}\}\s*")
MOST_ITERATIONS: Final = 100


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of one step, as it was recorded."""

    name: str
    status: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)


class Disagreement(Exception):
    """The record cannot have come of these rules; the message says where."""


def final_status(
    tree: Mapping[str, Any], record: Sequence[Ran], *, parameters: Mapping[str, Any], variables: Mapping[str, Any]
) -> str:
    """How the execution must have ended. Raises Disagreement when other steps ran than should have."""
    reader = _Reader(tree, record, parameters, variables)
    status = reader.read()
    left = next(reader.record, None)
    if left is not None:
        raise Disagreement(f'"{left.name}" ran after the end')
    return status


class _Aborted(Exception):
    """A step with onFailure Abort has failed; the message is the status."""


class _Reader:
    """Walks the document, taking what each step came to from the record."""

    def __init__(
        self,
        tree: Mapping[str, Any],
        record: Sequence[Ran],
        parameters: Mapping[str, Any],
        variables: Mapping[str, Any],
    ) -> None:
        self.steps: list[Mapping[str, Any]] = tree["mainSteps"]
        self.parameters = parameters
        self.record: Iterator[Ran] = iter(record)
        self.variables = dict(variables)
        self.outputs: dict[str, Mapping[str, Any]] = {}
        self.bad: str | None = None

    def read(self) -> str:
        """The status at the end."""
        try:
            self._list(self.steps, self.steps[0]["name"])
        except _Aborted as aborted:
            return str(aborted)
        return self.bad or "Success"

    def _list(self, steps: Sequence[Mapping[str, Any]], first: str) -> str | None:
        """Run through one list of steps; the name of a step outside it where it was left for, else None."""
        index: dict[str, int] = {step["name"]: number for number, step in enumerate(steps)}
        current: str | None = first
        while current is not None:
            if current not in index:
                return current
            current = self._step(steps, index[current])
        return None

    def _step(self, steps: Sequence[Mapping[str, Any]], number: int) -> str | None:
        step = steps[number]
        ran = next(self.record, None)
        if ran is None or ran.name != step["name"]:
            raise Disagreement(f'"{step["name"]}" should have run, not {ran.name if ran else "the end"}')
        following = steps[number + 1]["name"] if number + 1 < len(steps) else None
        onward = None if _truth(step.get("isEnd")) else step.get("nextStep") or following
        if step["action"] == "aws:loop" and (ran.status == "Exited" or not _failed_itself(ran)):
            return self._loop(step, ran, onward)
        self.outputs[ran.name] = ran.outputs
        if ran.status == "Success":
            return self._after_success(step, ran, onward)
        if ran.status in ("Failed", "TimedOut"):
            return self._after_failure(step, ran, onward)
        raise Disagreement(f'"{ran.name}" ended as {ran.status}')

    def _after_success(self, step: Mapping[str, Any], ran: Ran, onward: str | None) -> str | None:
        if step["action"] == "aws:updateVariable":
            self.variables[str(ran.inputs["Name"]).strip("{} ").removeprefix("variable:")] = ran.inputs.get("Value")
        if step["action"] != "aws:branch":
            return onward
        for choice in ran.inputs["Choices"]:
            if holds({key: value for key, value in choice.items() if key != "NextStep"}):
                return str(choice["NextStep"])
        default = step["inputs"].get("Default")
        return str(default) if default else onward

    def _after_failure(self, step: Mapping[str, Any], ran: Ran, onward: str | None) -> str | None:
        word = str(step.get("onFailure") or "Abort")
        if word.lower() == "abort":
            raise _Aborted(ran.status)
        is_continue = word.lower() == "continue"
        critical = _truth(step["isCritical"]) if step.get("isCritical") is not None else not is_continue
        if critical:
            self.bad = self.bad or ran.status
        return onward if is_continue else word.split(":", 1)[1].strip()

    def _loop(self, step: Mapping[str, Any], ran: Ran, onward: str | None) -> str | None:
        inputs, body = step["inputs"], step["inputs"]["Steps"]
        limit = int(ran.inputs.get("MaxIterations") or MOST_ITERATIONS)
        items = None
        if "Iterators" in inputs:
            given = ran.inputs["Iterators"]
            items = given if isinstance(given, list) else [given]
            limit = min(limit, len(items))
        for number in range(1, limit + 1):
            value = items[number - 1] if items is not None else None
            self.outputs[ran.name] = {"CurrentIteration": number, "CurrentIteratorValue": value}
            outside = self._list(body, body[0]["name"])
            if outside is not None:
                if ran.status != "Exited":
                    raise Disagreement(f'the loop "{ran.name}" was left and is {ran.status}')
                return outside
            if items is None and not holds(self._resolved(inputs["LoopCondition"])):
                break
        if ran.status != "Success":
            raise Disagreement(f'the loop "{ran.name}" went through and is {ran.status}')
        return onward

    def _resolved(self, value: Any) -> Any:
        """A condition with the values of this moment."""
        if isinstance(value, list):
            return [self._resolved(item) for item in value]
        if isinstance(value, dict):
            return {key: self._resolved(item) for key, item in value.items()}
        whole = WHOLE.fullmatch(value) if isinstance(value, str) else None
        if whole is None:
            return value
        name = whole[1]
        if name.startswith("variable:"):
            return self.variables.get(name.removeprefix("variable:"))
        step, dot, output = name.partition(".")
        return self.outputs.get(step, {}).get(output) if dot else self.parameters.get(name)


def _failed_itself(ran: Ran) -> bool:
    """A loop whose own inputs were refused runs no body."""
    return ran.status == "Failed" and "CurrentIteration" not in ran.outputs


def _truth(value: Any) -> bool:
    return str(value).strip().lower() == "true"


def holds(condition: Mapping[str, Any]) -> bool:
    """Whether a condition with its values put in is true (§3.3)."""
    if "And" in condition:
        return all(holds(each) for each in _parts(condition["And"]))
    if "Or" in condition:
        return any(holds(each) for each in _parts(condition["Or"]))
    if "Not" in condition:
        return not any(holds(each) for each in _parts(condition["Not"]))
    left = condition.get("Variable")
    if left is None:
        return False
    (operator, right), *_ = [(key, value) for key, value in condition.items() if key != "Variable"]
    return _compared(operator, left, right)


def _parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _compared(operator: str, left: Any, right: Any) -> bool:
    if operator.startswith("Numeric"):
        try:
            one, other = float(left), float(right)
        except (TypeError, ValueError):
            return False
        return {
            "NumericEquals": one == other,
            "NumericGreater": one > other,
            "NumericLesser": one < other,
            "NumericGreaterOrEquals": one >= other,
            "NumericLesserOrEquals": one <= other,
        }[operator]
    if operator == "BooleanEquals":
        texts = {_text(left).lower(), _text(right).lower()}
        return len(texts) == 1 and texts <= {"true", "false"}
    if operator == "Contains" and isinstance(left, list):
        return _text(right) in [_text(item) for item in left]
    one_text, other_text = _text(left), _text(right)
    return {
        "StringEquals": one_text == other_text,
        "EqualsIgnoreCase": one_text.lower() == other_text.lower(),
        "StartsWith": one_text.startswith(other_text),
        "EndsWith": one_text.endswith(other_text),
        "Contains": other_text in one_text,
    }[operator]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
