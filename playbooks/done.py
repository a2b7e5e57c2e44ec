"""What the steps of an execution have done in the world, in words: what stays when it is stopped. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from infra.canonical import Json
from playbooks.facts import StepFacts

READS: Final = ("describe", "get", "list", "head", "batchget", "query", "scan", "search", "lookup")
STATES: Final[Mapping[str, str]] = {"stopped": "stopped", "running": "running", "terminated": "terminated"}
TELLING: Final = frozenset(
    {
        "aws:runCommand",
        "aws:executeScript",
        "aws:invokeLambdaFunction",
        "aws:invokeWebhook",
        "aws:executeStateMachine",
        "aws:executeAutomation",
    }
)
"""Actions whose outputs people read."""
IN_FLIGHT: Final = frozenset({"InProgress", "Cancelling", "Waiting"})
_Told = Callable[[StepFacts], str]


def what_stays(steps: Iterable[StepFacts]) -> tuple[str, ...]:
    """One sentence for each step that was done and may have changed something; none of it is taken back by a stop."""
    return tuple(dict.fromkeys(told for step in steps if step.status == "Success" and (told := _told(step))))


def what_is_under_way(steps: Iterable[StepFacts]) -> tuple[str, ...]:
    """What a running step has begun, and may leave half done."""
    return tuple(_begun(step) for step in steps if step.status in IN_FLIGHT and _told(step))


def what_was_left_half_done(steps: Iterable[StepFacts]) -> tuple[str, ...]:
    """The steps that were cancelled while they changed something."""
    return tuple(_begun(step) for step in steps if step.status in ("Cancelled", "TimedOut", "Failed") and _told(step))


def _told(step: StepFacts) -> str:
    tell = _TELLING.get(step.action)
    return tell(step) if tell else ""


def _begun(step: StepFacts) -> str:
    return f"step {step.name} had begun, and what it began may be half done: {_plain(step)}"


def _plain(step: StepFacts) -> str:
    on = _names(step.inputs.get("InstanceIds")) or step.action
    wanted = STATES.get(str(step.inputs.get("DesiredState")), "")
    return f"{on} was to be {wanted}" if wanted else on


def _names(value: Json) -> str:
    items = value if isinstance(value, list) else [value] if value else []
    shown = [str(item) for item in items[:5]]
    return ", ".join([*shown, *([f"{len(items) - 5} more"] if len(items) > 5 else [])])


def _instances(step: StepFacts) -> str:
    if str(step.inputs.get("CheckStateOnly", "")).casefold() == "true":
        return ""
    on, state = _names(step.inputs.get("InstanceIds")), str(step.inputs.get("DesiredState"))
    return f"{on} stays {STATES.get(state, state)}"


_OPERATIONS: Final[Mapping[str, str]] = {
    "stopinstances": "{} stays stopped",
    "startinstances": "{} stays running",
    "terminateinstances": "{} is terminated for good",
    "rebootinstances": "{} was rebooted",
}


def _api(step: StepFacts) -> str:
    operation = str(step.inputs.get("Api", ""))
    plain = operation.replace("_", "").casefold()
    if plain.startswith(READS):
        return ""
    on = _names(step.inputs.get("InstanceIds")) or _subject(step)
    if plain in _OPERATIONS and on:
        return _OPERATIONS[plain].format(on)
    return f"{step.inputs.get('Service')}:{operation} was called{f' on {on}' if on else ''}, and stays done"


def _subject(step: StepFacts) -> str:
    found: Iterator[str] = (
        _names(value) for name, value in step.inputs.items() if name.endswith(("Id", "Ids", "Name", "Arn", "Names"))
    )
    return next(found, "")


def _made(what: str, output: str) -> _Told:
    return lambda step: f"{what} {_names(step.outputs.get(output)) or f'of step {step.name}'} stays"


_TELLING: Final[Mapping[str, _Told]] = {
    "aws:changeInstanceState": _instances,
    "aws:executeAwsApi": _api,
    "aws:runCommand": lambda step: (
        f"{step.inputs.get('DocumentName') or 'a command'} ran on "
        f"{_names(step.inputs.get('InstanceIds')) or 'its targets'}, and what it did stays"
    ),
    "aws:executeScript": lambda step: f"the script of step {step.name} ran, and what it did stays",
    "aws:createImage": _made("image", "ImageId"),
    "aws:copyImage": _made("image", "ImageId"),
    "aws:runInstances": _made("what was launched,", "InstanceIds"),
    "aws:createStack": _made("stack", "StackName"),
    "aws:deleteImage": lambda step: f"image {step.inputs.get('ImageId')} is gone",
    "aws:deleteStack": lambda step: f"stack {step.inputs.get('StackName')} is gone",
    "aws:createTags": lambda step: f"the tags on {_names(step.inputs.get('ResourceIds')) or 'its resources'} stay",
    "aws:executeAutomation": lambda step: f"{step.inputs.get('DocumentName')} was run, and what it did stays",
    "aws:invokeLambdaFunction": lambda step: f"{step.inputs.get('FunctionName')} was invoked, and what it did stays",
    "aws:invokeWebhook": lambda step: f"webhook {step.inputs.get('IntegrationName')} was called",
    "aws:executeStateMachine": lambda step: f"{step.inputs.get('stateMachineArn')} was started",
}
