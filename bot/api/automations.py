"""SSM's operations on executions: start, get, list, signal, stop, preview. Each: parse, verb or fact, answer."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from bot.api.asked import Answer, Asked, Operation, moment, tags
from bot.api.errors import ApiError, invalid
from bot.api.model import operation_model
from bot.api.pages import invalid_token
from engine.execution import Status
from engine.signals import SignalType
from playbooks.automation import Automation, Wish, fingerprint
from playbooks.automation_facts import AutomationFacts, Facts, Sought, StepTest, steps
from playbooks.automation_targets import MEMBERS
from playbooks.documents.refusals import SsmRefused

MOST_TAGS_AT_START: Final = 5


class AutomationOperations:
    """The operations, by AWS's names."""

    def __init__(self, verbs: Automation, facts: AutomationFacts) -> None:
        self._verbs, self._facts = verbs, facts

    def operations(self) -> Mapping[str, Operation]:
        """Name -> operation."""
        return {
            "StartAutomationExecution": self.start,
            "GetAutomationExecution": self.get,
            "DescribeAutomationExecutions": self.describe,
            "DescribeAutomationStepExecutions": self.describe_steps,
            "SendAutomationSignal": self.signal,
            "StopAutomationExecution": self.stop,
            "StartExecutionPreview": self.preview,
            "GetExecutionPreview": self.previewed,
        }

    def start(self, asked: Asked) -> Answer:
        """StartAutomationExecution."""
        execution_id = self._verbs.start(_wish(asked), asked.by, principal=asked.principal)
        return {"AutomationExecutionId": execution_id}

    def get(self, asked: Asked) -> Answer:
        """GetAutomationExecution."""
        return {"AutomationExecution": self._facts.execution(asked.given["AutomationExecutionId"], asked.by)}

    def describe(self, asked: Asked) -> Answer:
        """DescribeAutomationExecutions."""
        page = asked.page
        sought = _sought(asked.given.get("Filters") or ())
        if sought is None:
            return {"AutomationExecutionMetadataList": []}
        try:
            found, has_more = page.cut(self._facts.page(sought, asked.by, after=page.after, limit=page.limit + 1))
        except LookupError as error:
            raise invalid_token() from error
        answer: Answer = {"AutomationExecutionMetadataList": [_metadata(each) for each in found]}
        if has_more:
            answer["NextToken"] = page.next_token(found[-1]["AutomationExecutionId"])
        return answer

    def describe_steps(self, asked: Asked) -> Answer:
        """DescribeAutomationStepExecutions."""
        page = asked.page
        tests = [_step_test(each["Key"], each["Values"]) for each in asked.given.get("Filters") or ()]
        execution = self._facts.execution(asked.given["AutomationExecutionId"], asked.by)
        found = steps(execution, tests, is_reversed=bool(asked.given.get("ReverseOrder")))
        start = _number(page.after)
        answer: Answer = {"StepExecutions": found[start : start + page.limit]}
        if len(found) > start + page.limit:
            answer["NextToken"] = page.next_token(str(start + page.limit))
        return answer

    def signal(self, asked: Asked) -> Answer:
        """SendAutomationSignal."""
        payload = {name: str(values[0]) for name, values in (asked.given.get("Payload") or {}).items() if values}
        kind = SignalType(asked.given["SignalType"])
        self._verbs.signal(asked.given["AutomationExecutionId"], kind, payload, asked.by)
        return {}

    def stop(self, asked: Asked) -> Answer:
        """StopAutomationExecution."""
        kind: Literal["Cancel", "Complete"] = "Complete" if asked.given.get("Type") == "Complete" else "Cancel"
        self._verbs.stop(asked.given["AutomationExecutionId"], kind, asked.by)
        return {}

    def preview(self, asked: Asked) -> Answer:
        """StartExecutionPreview."""
        inputs = (asked.given.get("ExecutionInputs") or {}).get("Automation") or {}
        wish = Wish(
            asked.text("DocumentName"),
            asked.region,
            asked.text("DocumentVersion"),
            inputs.get("Parameters") or {},
            targets=_targets(inputs),
            locations_url=inputs.get("TargetLocationsURL") or "",
        )
        try:
            return {"ExecutionPreviewId": self._facts.preview(wish, asked.by)}
        except SsmRefused as error:
            raise invalid(str(error)) from error

    def previewed(self, asked: Asked) -> Answer:
        """GetExecutionPreview."""
        return self._facts.previewed(asked.given["ExecutionPreviewId"])


def _wish(asked: Asked) -> Wish:
    given = asked.given
    found = tags(given.get("Tags"))
    if len(found) > MOST_TAGS_AT_START:
        raise invalid(f"An execution is started with at most {MOST_TAGS_AT_START} tags; here are {len(found)}.")
    return Wish(
        given["DocumentName"],
        asked.region,
        asked.text("DocumentVersion"),
        given.get("Parameters") or {},
        given.get("Mode") or "Auto",
        asked.text("ClientToken"),
        found,
        _targets(given),
        asked.text("TargetLocationsURL"),
        given.get("AlarmConfiguration") or {},
        fingerprint(given),
    )


def _targets(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in MEMBERS if given.get(name)}


def _metadata(execution: Facts) -> Facts:
    members, kind = _metadata_members(), "CrossAccount" if execution.get("TargetLocations") else "Local"
    return {**{name: value for name, value in execution.items() if name in members}, "AutomationType": kind}


def _metadata_members() -> Mapping[str, Any]:
    operation: Any = operation_model("DescribeAutomationExecutions")
    members: Mapping[str, Any] = operation.output_shape.members["AutomationExecutionMetadataList"].member.members
    return members


# -- filters


def _sought(filters: Any) -> Sought | None:
    """What the filters ask for; None when nothing here can ever fit. Raises ApiError."""
    found: dict[str, Any] = {}
    for each in filters:
        key, values = each["Key"], tuple(each["Values"])
        if key not in _FIELDS:
            return None
        name, read = _FIELDS[key]
        if name in found:
            raise ApiError("InvalidFilterKey", f"The filter {key} stands there twice.")
        found[name] = read(values)
    return Sought(**found)


def _statuses(values: tuple[str, ...]) -> tuple[str, ...]:
    operation: Any = operation_model("GetAutomationExecution")
    members = operation.output_shape.members["AutomationExecution"].members
    return _one_of(values, members["AutomationExecutionStatus"].enum)


def _one_of(values: tuple[str, ...], known: Any) -> tuple[str, ...]:
    for value in values:
        if value not in known:
            raise ApiError("InvalidFilterValue", f'"{value}" is none of {", ".join(known)}.')
    return values


def _types(values: tuple[str, ...]) -> tuple[str, ...]:
    return _one_of(values, ("Local", "CrossAccount"))


def _same(values: tuple[str, ...]) -> tuple[str, ...]:
    return values


def _latest(values: tuple[str, ...]) -> Any:
    return max(moment(value) for value in values)


def _earliest(values: tuple[str, ...]) -> Any:
    return min(moment(value) for value in values)


_FIELDS: Final[Mapping[str, tuple[str, Callable[[tuple[str, ...]], Any]]]] = {
    "DocumentNamePrefix": ("names_beginning", _same),
    "ExecutionStatus": ("statuses", _statuses),
    "ExecutionId": ("ids", _same),
    "ParentExecutionId": ("parents", _same),
    "StartTimeBefore": ("started_before", _latest),
    "StartTimeAfter": ("started_after", _earliest),
    "CurrentAction": ("actions", _same),
    "TagKey": ("tag_keys", _same),
    "AutomationType": ("types", _types),
    "TargetResourceGroup": ("groups", _same),
}
"""AWS's filter -> ours, and how its values are read; several values of one key are alternatives."""


def _step_test(key: str, values: list[str]) -> StepTest:
    """Whether a step execution passes one filter. Raises ApiError."""
    match key:
        case "StartTimeBefore":
            latest = max(moment(value) for value in values)
            return lambda step: "ExecutionStartTime" in step and step["ExecutionStartTime"] < latest
        case "StartTimeAfter":
            earliest = min(moment(value) for value in values)
            return lambda step: "ExecutionStartTime" in step and step["ExecutionStartTime"] > earliest
        case "StepExecutionStatus":
            _one_of(tuple(values), [str(status) for status in Status])
            return lambda step: step["StepStatus"] in values
        case "ParentStepExecutionId" | "ParentStepIteration" | "ParentStepIteratorValue":
            name = {"ParentStepExecutionId": "StepExecutionId", "ParentStepIteration": "Iteration"}.get(
                key, "IteratorValue"
            )
            return lambda step: str(step.get("ParentStepDetails", {}).get(name, "")) in values
        case _:
            return lambda step: step.get(key) in values


def _number(after: str) -> int:
    if after and not after.isdecimal():
        raise invalid_token()
    return int(after or 0)
