"""Flow that AWS takes and that is not what was meant: dead steps, conditions that cannot hold, lost failures. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from engine.conditions import CONNECTIVES, OPERATORS
from engine.document import CONTINUE, Path, Step
from engine.edges import reachable
from engine.expressions import REFERENCE
from engine.lint.rule import Family, Found, note, warning
from engine.lint.subject import Subject, has_reference
from engine.shape import as_boolean
from infra.canonical import Json


def _check(subject: Subject) -> Iterator[Found]:
    if not subject.steps:
        return
    alive = reachable(subject.document) if subject.is_flow_known else frozenset(subject.named)
    for step, path in subject.steps:
        if step.name not in alive:
            yield Found("FLW101", f'no way leads to step "{step.name}": it never runs', path)
        if step.action == "aws:branch":
            yield from _branch(step, path, subject)
        if step.action == "aws:loop":
            yield from _conditions(step.inputs.get("LoopCondition"), (*path, "inputs", "LoopCondition"))
        yield from _failure(step, path, subject)


def _branch(step: Step, path: Path, subject: Subject) -> Iterator[Found]:
    choices = step.inputs.get("Choices")
    seen: dict[str, int] = {}
    for index, choice in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(choice, dict):
            continue
        place: Path = (*path, "inputs", "Choices", index)
        condition = {key: value for key, value in choice.items() if key != "NextStep"}
        yield from _conditions(condition, place)
        first = seen.setdefault(repr(condition), index)
        if first != index:
            text = f"choice {index + 1} has the condition of choice {first + 1}, so it is never taken"
            yield Found("FLW104", text, place)
    if step.inputs.get("Default") is None and not step.is_end and step.next_step is None:
        following = _following(step, subject)
        if following and following not in _targets(choices):
            text = f'nothing matches: the flow falls through to "{following}"; name it as Default, or set isEnd'
            yield Found("FLW103", text, path)


def _targets(choices: Json) -> set[str]:
    return (
        {str(each.get("NextStep")) for each in choices if isinstance(each, dict)}
        if isinstance(choices, list)
        else set()
    )


def _following(step: Step, subject: Subject) -> str:
    names = [each.name for each in subject.document.steps]
    if step.name not in names or step.name == names[-1]:
        return ""
    return names[names.index(step.name) + 1]


def _conditions(value: Json, path: Path) -> Iterator[Found]:
    """Comparisons that can never be true, or always compare the same."""
    if not isinstance(value, dict):
        return
    for key in CONNECTIVES:
        inner = value.get(key)
        for index, part in enumerate(inner if isinstance(inner, list) else [inner]):
            yield from _conditions(part, (*path, key, index) if isinstance(inner, list) else (*path, key))
    if "Variable" in value:
        yield from _comparison(value, path)


def _comparison(value: Mapping[str, Json], path: Path) -> Iterator[Found]:
    variable = value["Variable"]
    if not isinstance(variable, str) or REFERENCE.search(variable) is None:
        text = 'Variable is no reference, so the comparison always comes out the same; write "{{ … }}"'
        yield Found("FLW106", text, (*path, "Variable"))
    for operator, operand in value.items():
        if operator not in OPERATORS or has_reference(operand):
            continue
        if operator.startswith("Numeric") and not _is_number(operand):
            yield Found("FLW107", f"{operator} compares with a number; {_shown(operand)} is none, so it never holds",
                        (*path, operator))  # fmt: skip
        if operator == "BooleanEquals" and as_boolean(operand) is None:
            yield Found("FLW107", f"{operator} compares with true or false, not with {_shown(operand)}",
                        (*path, operator))  # fmt: skip
        if isinstance(operand, (dict, list)):
            yield Found("FLW107", f"{operator} compares with one value, not with {_shown(operand)}", (*path, operator))


def _is_number(value: Json) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return isinstance(value, (dict, list))
    try:
        float(value)
    except ValueError:
        return False
    return True


def _shown(value: Json) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _failure(step: Step, path: Path, subject: Subject) -> Iterator[Found]:
    target = step.on_failure.removeprefix("step:")
    raw = subject.written(path)
    if step.on_failure.startswith("step:") and "isCritical" not in raw and target in subject.named:
        text = (
            f'if "{step.name}" fails, the execution ends Failed even when "{target}" succeeds; say isCritical: false '
            "if it should not, or isCritical: true to show that it is meant"
        )
        yield Found("FLW102", text, (*path, "onFailure"))
    if step.on_failure == CONTINUE and step.action == "aws:approve":
        text = f'a rejection or time-out of "{step.name}" is ignored: the steps after it run all the same'
        yield Found("FLW108", text, (*path, "onFailure"))


FAMILY: Final = Family(
    "Flow",
    (
        warning("FLW101", "no way leads to a step"),
        note("FLW102", "a failure is handled, and the execution fails nevertheless", "write isCritical"),
        note("FLW103", "aws:branch without Default falls through to the next step"),
        warning("FLW104", "a choice that an equal one before it hides"),
        warning("FLW106", "the Variable of a condition is no reference"),
        warning("FLW107", "a comparison that can never hold"),
        warning("FLW108", "an approval that is refused does not stop the run", "let onFailure be Abort"),
    ),
    _check,
)
