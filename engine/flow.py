"""The flow of a document: targets that do not exist, conditions that mean nothing, endless circles. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from engine.conditions import CONNECTIVES, OPERATORS
from engine.document import Document, Path, Problem, Step
from engine.edges import circle_of
from engine.references import reference_problems
from engine.shape import kind_of, shown, suggestion
from engine.source import Source
from infra.canonical import Json

NOT_ON_CANCEL: Final = frozenset(
    {
        "aws:approve", "aws:copyImage", "aws:createImage", "aws:createStack", "aws:createTags", "aws:loop", "aws:pause",
        "aws:runInstances", "aws:sleep",
    }
)  # fmt: skip
"""Actions that onCancel may not lead to (SSM User Guide, "Properties shared by all actions": onCancel)."""


def flow_problems(document: Document, source: Source, *, is_whole: bool = True) -> list[Problem]:
    """What AWS refuses beyond the shape. `is_whole` says that the shape is right, so that circles are sought."""
    problems: list[Problem] = []
    homes = _homes(document)
    for step, path in document.steps_with_paths():
        problems += _targets(step, path, homes, source)
        problems += _on_cancel(step, path, document, source)
        if step.action == "aws:branch":
            problems += _branch(step, path, homes, source)
        if step.action == "aws:loop" and step.inputs.get("LoopCondition") is not None:
            problems += _condition(step.inputs["LoopCondition"], (*path, "inputs", "LoopCondition"), source)
    for index, output in enumerate(document.outputs):
        name = output.split(".")[0]
        if name not in homes:
            text = f"Unknown step name in named output: {output}.{suggestion(name, homes)}"
            problems.append(source.problem("FLW001", text, ("outputs", index)))
    problems += reference_problems(document, source)
    return problems if problems or not is_whole else _circle(document, source)


def _homes(document: Document) -> dict[str, str]:
    """Each step's name and the loop it stands in ("" = mainSteps)."""
    found = {step.name: "" for step in document.steps}
    for step in document.steps:
        found |= {inner.name: step.name for inner in step.steps}
    return found


def _targets(step: Step, path: Path, homes: Mapping[str, str], source: Source) -> Iterator[Problem]:
    if step.is_end and step.next_step is not None:
        text = '"isEnd == true" and nextStep should not exist in same step.'
        yield source.problem("FLW002", text, (*path, "nextStep"))
    wanted = {
        "nextStep": step.next_step,
        "onFailure": step.on_failure.removeprefix("step:") if step.on_failure.startswith("step:") else None,
        "onCancel": step.on_cancel.removeprefix("step:") if step.on_cancel.startswith("step:") else None,
    }
    for key, target in wanted.items():
        if target is not None:
            yield from _target(target, step, homes, key=key, place=(*path, key), source=source)


def _on_cancel(step: Step, path: Path, document: Document, source: Source) -> Iterator[Problem]:
    target = document.step(step.on_cancel.removeprefix("step:")) if step.on_cancel.startswith("step:") else None
    if target is not None and target.action in NOT_ON_CANCEL:
        text = f'onCancel may not lead to "{target.name}", because {target.action} cannot run while a run is cancelled'
        yield source.problem("FLW009", text, (*path, "onCancel"))


def _target(
    target: str, step: Step, homes: Mapping[str, str], *, key: str, place: Path, source: Source
) -> Iterator[Problem]:
    """A jump must lead to a step of the same list, or out of a loop."""
    if target not in homes:
        text = f'Unknown step name: "{target}" in {key}.{suggestion(target, homes)}'
        yield source.problem("FLW003", text, place)
    elif homes[target] and homes[target] != homes.get(step.name):
        text = f'"{target}" in {key} stands inside the loop "{homes[target]}"; nothing outside can jump there'
        yield source.problem("FLW007", text, place)


def _branch(step: Step, path: Path, homes: Mapping[str, str], source: Source) -> Iterator[Problem]:
    choices, default = step.inputs.get("Choices"), step.inputs.get("Default")
    place: Path = (*path, "inputs")
    if not isinstance(choices, list) or not choices:
        text = f"aws:branch needs Choices, a list of conditions with NextStep, not {kind_of(choices)}"
        yield source.problem("FLW004", text, (*place, "Choices"))
        return
    if default is not None:
        yield from _target(str(default), step, homes, key="Default", place=(*place, "Default"), source=source)
    for index, choice in enumerate(choices):
        here: Path = (*place, "Choices", index)
        if not isinstance(choice, dict):
            text = f"a choice is a map with NextStep and a condition, not {kind_of(choice)}"
            yield source.problem("FLW004", text, here)
            continue
        target = choice.get("NextStep")
        if target is None:
            yield source.problem("FLW004", "a choice needs NextStep, the name of a step", here)
        else:
            yield from _target(str(target), step, homes, key="NextStep", place=(*here, "NextStep"), source=source)
        yield from _condition({key: value for key, value in choice.items() if key != "NextStep"}, here, source)


def _condition(value: Json, path: Path, source: Source) -> Iterator[Problem]:
    if not isinstance(value, dict) or not value:
        text = "a condition is a map with Variable and an operator, or And, Or, Not"
        yield source.problem("FLW005", text, path)
        return
    for key, inner in value.items():
        if key in CONNECTIVES:
            parts = inner if isinstance(inner, list) else [inner]
            for index, part in enumerate(parts):
                place = (*path, key, index) if isinstance(inner, list) else (*path, key)
                yield from _condition(part, place, source)
        elif key not in ("Variable", *OPERATORS):
            near = suggestion(key, (*OPERATORS, *CONNECTIVES, "Variable"))
            yield source.problem("FLW006", f"Unknown operator {shown(key)}.{near}", (*path, key))
    yield from _comparison(value, path, source)


def _comparison(value: Mapping[str, Json], path: Path, source: Source) -> Iterator[Problem]:
    operators = [key for key in value if key in OPERATORS]
    if "Variable" in value and not operators and not any(key not in ("Variable", *CONNECTIVES) for key in value):
        text = f"a condition with Variable needs an operator: {', '.join(OPERATORS)}"
        yield source.problem("FLW005", text, path)
    if operators and "Variable" not in value:
        yield source.problem("FLW005", f"{operators[0]} needs a Variable beside it", (*path, operators[0]))


def _circle(document: Document, source: Source) -> list[Problem]:
    circle = circle_of(document)
    if not circle:
        return []
    path = next(path for step, path in document.steps_with_paths() if step.name == circle[0])
    text = f"the steps run in an endless circle: {' → '.join(circle)}"
    return [source.problem("FLW008", text, path)]
