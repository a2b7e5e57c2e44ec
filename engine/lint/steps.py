"""Limits and properties of steps that AWS takes at CreateDocument and breaks at run time. Pure.

Limits: AWS General Reference, "Systems Manager endpoints and quotas", and each action's page of the User Guide.
"""

from collections.abc import Iterator
from typing import Final

from engine.actions import BY_NAME
from engine.document import Parameter, Path, Step
from engine.expressions import REFERENCE, CoercionError, coerce
from engine.lint.rule import Family, Found, warning
from engine.lint.subject import API_ACTIONS, Subject, has_reference
from engine.shape import as_integer, suggestion
from engine.validation import KNOWN_ACTIONS
from infra.canonical import Json

INTERNAL: Final = frozenset(
    {"aws:putServerUpgradeMetrics", "aws:shareSQLMedia", "aws:installDistributorPackageOnAzure"}
)
"""AWS's own actions: its runbooks have them, nobody else may."""
LONGEST: Final = {"aws:executeScript": 600, "aws:invokeLambdaFunction": 300, "aws:approve": 2_592_000}
"""Seconds that a step of the action may take."""
MOST_ITERATIONS: Final = 100
MOST_FILES: Final = 5


def _check(subject: Subject) -> Iterator[Found]:
    if len(subject.document.files) > MOST_FILES:
        text = f"the document has {len(subject.document.files)} attachments; SSM takes {MOST_FILES}"
        yield Found("LIM004", text, ("files",))
    for step, path in subject.steps:
        yield from _action(step, path)
        yield from _times(step, path, subject)
        if step.action == "aws:loop":
            yield from _loop(step, path)
        if step.action == "aws:updateVariable":
            yield from _variable(step, path, subject)
        if step.action == "aws:executeScript":
            yield from _script(step, path, subject)
        if step.action == "aws:executeAutomation":
            yield from _automation(step, path, subject)
        yield from _templates(step, path)


def _action(step: Step, path: Path) -> Iterator[Found]:
    if step.action in BY_NAME or not step.action.startswith("aws:"):
        return
    if step.action in INTERNAL:
        text = f"{step.action} is an action of AWS's own runbooks; nobody else may use it, and here its step fails"
    else:
        near = suggestion(step.action, KNOWN_ACTIONS)
        text = f"{step.action} is not an action that AWS documents; its step fails.{near}"
    yield Found("ACT001", text, (*path, "action"))


def _times(step: Step, path: Path, subject: Subject) -> Iterator[Found]:
    seconds = int(step.timeout.total_seconds()) if step.timeout is not None else None
    limit = LONGEST.get(step.action)
    written = subject.written(path)
    if seconds is not None and limit is not None and seconds > limit:
        text = f"{step.action} is ended after {limit:,} seconds; timeoutSeconds {seconds:,} promises more"
        yield Found("STP101", text, (*path, "timeoutSeconds"))
    asked = as_integer(written.get("timeoutSeconds"))
    if asked is not None and asked < 1:
        yield Found("STP102", "timeoutSeconds must be at least 1", (*path, "timeoutSeconds"))
    attempts = as_integer(written.get("maxAttempts"))
    if attempts is not None and attempts < 1:
        yield Found("STP103", "maxAttempts counts all tries, so it must be at least 1", (*path, "maxAttempts"))
    if step.action == "aws:loop" and "onCancel" in written:
        yield Found("STP104", "aws:loop does not support onCancel; its inner steps do", (*path, "onCancel"))


def _loop(step: Step, path: Path) -> Iterator[Found]:
    place: Path = (*path, "inputs")
    items, most = step.inputs.get("Iterators"), step.inputs.get("MaxIterations")
    if isinstance(items, list) and len(items) > MOST_ITERATIONS:
        yield Found(
            "LIM001", f"Iterators has {len(items)} items; a loop takes {MOST_ITERATIONS}", (*place, "Iterators")
        )
    if isinstance(items, str) and REFERENCE.search(items) is None:
        yield Found("LIM002", f'Iterators must be a list or a reference to one, not "{items}"', (*place, "Iterators"))
    if most is not None and not has_reference(most):
        number = as_integer(most)
        if number is None or not 1 <= number <= MOST_ITERATIONS:
            text = f"MaxIterations must be between 1 and {MOST_ITERATIONS}, not {most}"
            yield Found("LIM001", text, (*place, "MaxIterations"))


def _variable(step: Step, path: Path, subject: Subject) -> Iterator[Found]:
    name = step.inputs.get("Name")
    if not isinstance(name, str):
        return
    place: Path = (*path, "inputs", "Name")
    variables = subject.document.variables
    bare = name.removeprefix("variable:")
    if not name.startswith("variable:"):
        inner = name.strip("{} ").removeprefix("variable:")
        hint = f' Did you mean "variable:{inner}"?' if inner in variables else ""
        yield Found("VAR104", f'Name must be written "variable:NAME", not "{name}".{hint}', place)
    elif bare not in variables:
        near = suggestion(bare, variables)
        yield Found("VAR104", f'the variable "{bare}" is not declared, so it cannot be set.{near}', place)
    else:
        yield from _new_value(step.inputs.get("Value"), variables[bare], (*path, "inputs", "Value"), subject)


def _new_value(value: Json, variable: Parameter, path: Path, subject: Subject) -> Iterator[Found]:
    """AWS fails the step where the types differ; texts are converted."""
    given = subject.type_of(value)
    if given and given != variable.type and "String" not in (given, variable.type):
        text = f'{value} is {given}, and the variable "{variable.name}" is {variable.type}'
        yield Found("VAR105", text, path)
    elif not given and value is not None and not has_reference(value):
        try:
            coerce(value, variable.type)
        except CoercionError as error:
            yield Found("VAR105", f'the value does not fit the variable "{variable.name}": {error}', path)


def _script(step: Step, path: Path, subject: Subject) -> Iterator[Found]:
    attachment = step.inputs.get("Attachment")
    files = subject.document.files
    if isinstance(attachment, str) and not has_reference(attachment) and attachment not in files:
        near = suggestion(attachment, files)
        text = f'the attachment "{attachment}" is not among the files of the document.{near}'
        yield Found("STP105", text, (*path, "inputs", "Attachment"))


def _automation(step: Step, path: Path, subject: Subject) -> Iterator[Found]:
    if step.inputs.get("DocumentName") == subject.document.name:
        text = "the runbook starts itself; five levels deep the execution fails"
        yield Found("LIM003", text, (*path, "inputs", "DocumentName"))


def _templates(step: Step, path: Path) -> Iterator[Found]:
    """Names of calls that are known at run time only."""
    for name in ("Service", "Api") if step.action in API_ACTIONS else ():
        if has_reference(step.inputs.get(name)):
            text = f"{name} is known at run time only, so nothing of this call can be checked"
            yield Found("API012", text, (*path, "inputs", name))


FAMILY: Final = Family(
    "Steps and limits",
    (
        warning("ACT001", "an action that is AWS's own, or unknown", "its step fails at run time, not the document"),
        warning("STP101", "timeoutSeconds is longer than the action may take"),
        warning("STP102", "timeoutSeconds is less than 1"),
        warning("STP103", "maxAttempts is less than 1"),
        warning("STP104", "onCancel where it is not supported"),
        warning("STP105", "the attachment of a script is not among the files of the document"),
        warning("LIM001", "a loop goes beyond 100 iterations"),
        warning("LIM002", "the Iterators of a loop are no list"),
        warning("LIM003", "a runbook starts itself"),
        warning("VAR104", "aws:updateVariable names no declared variable", "`variable:NAME`"),
        warning("VAR105", "aws:updateVariable gives a variable a value of another type"),
        warning("LIM004", "more attachments than SSM takes", "at most 5"),
        warning("API012", "Service or Api is a reference", "write them out, so that the call can be checked"),
    ),
    _check,
)
