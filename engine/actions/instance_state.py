"""Instances on their way to a state: what aws:changeInstanceState and aws:runInstances wait for."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from engine.action import ActionContext, Failed, FailureType, Outcome, Stage, Succeeded, Waiting
from infra.canonical import Json

UNEXPECTED: Final[Mapping[str, frozenset[str]]] = {
    "running": frozenset({"shutting-down", "terminated"}),
    "stopped": frozenset({"shutting-down", "terminated"}),
    "terminated": frozenset(),
}
"""States from which the desired one is not reached any more."""
BAD_CHECKS: Final = frozenset({"impaired", "insufficient-data", "not-applicable"})
"""Status checks of a running instance that end the wait (as AWS's own simulator of documents has it)."""


def statuses(instance_ids: Sequence[str], context: ActionContext) -> list[Mapping[str, Any]]:
    """The instances' states and checks, in the order asked for. Raises AwsRefused, AwsUnreachable."""
    params = {"InstanceIds": [*instance_ids], "IncludeAllInstances": True}
    found = context.aws.call("ec2", "DescribeInstanceStatus", params).get("InstanceStatuses") or []
    by_id = {status.get("InstanceId"): status for status in found}
    return [by_id[instance_id] for instance_id in instance_ids if instance_id in by_id]


def state_of(status: Mapping[str, Any]) -> str:
    """The name of the state: running, stopping and so on."""
    return str(status.get("InstanceState", {}).get("Name", "unknown"))


def _checks(status: Mapping[str, Any]) -> tuple[str, str]:
    system, instance = (str(status.get(f"{which}Status", {}).get("Status", "")) for which in ("System", "Instance"))
    return system, instance


def judged(
    found: Sequence[Mapping[str, Any]],
    instance_ids: Sequence[str],
    desired: str,
    context: ActionContext,
    *,
    unexpected: Collection[str],
    while_doing: str,
) -> Outcome:
    """Whether the instances are there, will not get there, or need more time. Running includes both status checks."""
    for status in found:
        if state_of(status) in unexpected:
            text = f"Instance {status.get('InstanceId')} entered unexpected state: {state_of(status)}"
            return Failed(text, Stage.POST_VERIFICATION, FailureType.VERIFICATION, while_doing=while_doing)
        if desired == state_of(status) == "running" and BAD_CHECKS & {*_checks(status)}:
            system, instance = _checks(status)
            text = (
                f"Instance {status.get('InstanceId')} runs with bad status checks: system {system}, instance {instance}"
            )
            return Failed(text, Stage.POST_VERIFICATION, FailureType.VERIFICATION, while_doing=while_doing)
    if len(found) == len(set(instance_ids)) and all(_is_there(status, desired) for status in found):
        states: list[Json] = [state_of(status) for status in found]
        return Succeeded({"InstanceStates": states})
    missing = set(instance_ids) - {str(status.get("InstanceId")) for status in found}
    lines = [*(_line(status, desired) for status in found), *(f"{each} is not visible yet" for each in sorted(missing))]
    return Waiting(until=context.now + context.poll, memo={**context.memo, "asked": True}, say="; ".join(lines)[:300])


def _is_there(status: Mapping[str, Any], desired: str) -> bool:
    if state_of(status) != desired:
        return False
    return desired != "running" or _checks(status) == ("ok", "ok")


def _line(status: Mapping[str, Any], desired: str) -> str:
    line = f"{status.get('InstanceId')} is {state_of(status)}"
    if desired != "running" or state_of(status) != "running":
        return line
    system, instance = _checks(status)
    return f"{line}, checks: system {system or 'unknown'}, instance {instance or 'unknown'}"
