"""Inputs of actions, by the very models that check them at run time; what only the run knows is left alone. Pure.

AWS looks at no input before its step starts (kinds of aws:runCommand's excepted), so these are warnings.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import AliasChoices, ValidationError

from engine.actions import BY_NAME, copy_image, create_image, run_instances
from engine.actions.delete_stack import MEMBER
from engine.actions.sleep import LONGEST, duration, moment
from engine.document import Path, Step
from engine.lint.rule import Family, Found, warning
from engine.lint.shapes import misfits
from engine.lint.subject import Subject, has_reference
from engine.scripts.script import PYTHON, is_powershell
from engine.shape import shown, suggestion
from infra.aws_models import operation_model
from infra.canonical import Json

NATIVE: Final[Mapping[str, tuple[str, str, Mapping[str, str]]]] = {
    "aws:copyImage": ("ec2", "CopyImage", copy_image.RENAMED),
    "aws:createImage": ("ec2", "CreateImage", create_image.RENAMED),
    "aws:createStack": ("cloudformation", "CreateStack", {}),
    "aws:deleteStack": ("cloudformation", "DeleteStack", {}),
    "aws:runCommand": ("ssm", "SendCommand", {}),
    "aws:runInstances": ("ec2", "RunInstances", run_instances.RENAMED),
}
"""Actions that hand on whatever their operation takes: service, operation, inputs of another name."""
OWN: Final = run_instances.OWN
"""Inputs that the action gives another form."""
ELSEWHERE: Final = frozenset({"aws:branch", "aws:loop", "aws:pause"})
"""What is wrong with these is said by the parser, or nothing can be."""


def _check(subject: Subject) -> Iterator[Found]:
    for step, path in subject.steps:
        action = BY_NAME.get(step.action)
        if action is None or step.action in ELSEWHERE:
            continue
        place: Path = (*path, "inputs")
        wrong = list(_by_model(step, action.Inputs, place))
        yield from wrong
        if step.action in NATIVE:
            yield from _operation(step, place, subject, wrong={each.path for each in wrong})
        if step.action == "aws:sleep":
            yield from _sleep(step, place)
        if step.action == "aws:executeScript":
            yield from _script(step, place)
        if step.action == "aws:approve":
            yield from _approve(step, place)


def _by_model(step: Step, model: Any, path: Path) -> Iterator[Found]:
    """What the action's own model finds, except where a reference stands for the value."""
    try:
        model.model_validate(dict(step.inputs))
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            yield from _detail(detail, step, model, path)


def _detail(detail: Any, step: Step, model: Any, path: Path) -> Iterator[Found]:
    place, given = _place(tuple(detail["loc"]), step.inputs)
    name = str(place[0] if place else (detail["loc"] or ("",))[0])
    match detail["type"]:
        case "missing" if len(detail["loc"]) == 1:
            yield Found("INP001", f'{step.action} needs the input "{_spelled(name, model)}"', path)
        case "extra_forbidden":
            near = suggestion(name, _known(model))
            yield Found("INP002", f'{step.action} has no input "{name}".{near}', (*path, *place))
        case _ if not place and has_reference(dict(step.inputs)):
            return
        case _ if has_reference(given):
            return
        case _:
            code = "INP004" if detail["type"].startswith(LIMITS) else "INP003"
            yield Found(code, _sentence(detail, ".".join(map(str, place)), given), (*path, *place))


LIMITS: Final = ("too_long", "too_short", "string_too_long", "string_too_short", "greater_than", "less_than")


def _sentence(detail: Any, name: str, given: Json) -> str:
    said, facts = str(detail["msg"]).removeprefix("Value error, "), detail.get("ctx", {})
    match detail["type"]:
        case "too_long":
            return f"{name} may have at most {facts['max_length']} items, not {facts['actual_length']}"
        case "too_short":
            return f"{name} needs at least {facts['min_length']} items, not {facts['actual_length']}"
        case "string_too_long" if isinstance(given, str):
            return f"{name} may have at most {facts['max_length']:,} characters, not {len(given):,}"
    said = f"{said[:1].lower()}{said[1:]}"
    return f"{name}: {said}; it is {shown(given)}" if name else said


def _place(loc: tuple[Any, ...], inputs: Mapping[str, Json]) -> tuple[Path, Json]:
    """The part of a model's place that the document has, and what stands there."""
    found: list[str | int] = []
    value: Json = dict(inputs)
    for part in loc:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[int(part)]
        else:
            break
        found.append(part)
    return tuple(found), value


def _known(model: Any) -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        alias = field.validation_alias or field.alias or name
        found += [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]
    return found


def _spelled(name: str, model: Any) -> str:
    """An input as AWS spells it."""
    return next(
        (known for known in _known(model) if known.replace("_", "").lower() == name.replace("_", "").lower()), name
    )


def _operation(step: Step, path: Path, subject: Subject, *, wrong: Collection[Path]) -> Iterator[Found]:
    """Inputs that neither the guide nor the operation behind the action has, and values that the latter refuses."""
    service, operation, renamed = NATIVE[step.action]
    members = operation_model(service, operation).input_shape.members
    known = {*_known(BY_NAME[step.action].Inputs), *renamed, *members} - set(renamed.values())
    for key, value in step.inputs.items():
        place: Path = (*path, key)
        if key not in known and not key.startswith(MEMBER):
            yield Found("INP002", f'{step.action} has no input "{key}".{suggestion(key, sorted(known))}', place)
        elif place not in wrong and renamed.get(key, key) in members and key not in OWN:
            yield from misfits(value, members[renamed.get(key, key)], place, subject.type_of)


def _sleep(step: Step, path: Path) -> Iterator[Found]:
    for key, read in (("Duration", duration), ("Timestamp", moment), ("TimeStamp", moment)):
        value = step.inputs.get(key)
        if not isinstance(value, str) or not value or has_reference(value):
            continue
        try:
            found = read(value)
        except ValueError as error:
            yield Found("INP003", str(error), (*path, key))
            continue
        if isinstance(found, timedelta) and found > LONGEST:
            yield Found("INP004", f"a sleep lasts at most 604,799 seconds (7 days); {value} is longer", (*path, key))


def _script(step: Step, path: Path) -> Iterator[Found]:
    runtime, handler = step.inputs.get("Runtime"), step.inputs.get("Handler")
    if not step.inputs.get("Script") and not step.inputs.get("Attachment"):
        yield Found("INP001", 'aws:executeScript needs "Script" or "Attachment"', path)
    if not isinstance(runtime, str) or has_reference(runtime):
        return
    if is_powershell(runtime.strip()):
        if handler:
            yield Found("INP005", "a PowerShell script has no Handler", (*path, "Handler"))
    elif PYTHON.fullmatch(runtime.strip()) is None:
        near = suggestion(runtime, [f"python3.{minor}" for minor in range(6, 15)])
        yield Found("INP005", f'the runtime "{runtime}" is unknown; python3.6 to python3.14 and PowerShell are.{near}',
                    (*path, "Runtime"))  # fmt: skip
    elif not handler:
        yield Found("INP001", 'a Python script needs "Handler", the name of the function to call', path)


def _approve(step: Step, path: Path) -> Iterator[Found]:
    approvers, wanted = step.inputs.get("Approvers"), step.inputs.get("MinRequiredApprovals")
    if not isinstance(approvers, list) or has_reference(approvers) or not isinstance(wanted, (int, str)):
        return
    distinct = len({str(each) for each in approvers})
    if str(wanted).isdigit() and int(wanted) > distinct:
        text = f"MinRequiredApprovals is {wanted}, but there are only {distinct} approvers: nobody can ever grant it"
        yield Found("INP006", text, (*path, "MinRequiredApprovals"))


FAMILY: Final = Family(
    "Inputs of actions",
    (
        warning("INP001", "a required input is missing"),
        warning("INP002", "an input that the action does not have"),
        warning("INP003", "the value of an input has the wrong form"),
        warning("INP004", "the value of an input goes beyond a limit (50 instance ids, 10 approvers, 7 days …)"),
        warning("INP005", "Runtime and Handler of a script do not fit"),
        warning("INP006", "more approvals are needed than there are approvers"),
    ),
    _check,
)
