"""Rate control as SSM's API shows it: a start on targets, accounts and Regions, and what comes of it. Pure.

Source: reference/ssm-automation.md §5.6 and appendix B; SSM API reference, AutomationExecution.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from engine.document import Document
from engine.execution import Execution, Status
from engine.expressions import render
from engine.parameters import bind
from engine.rate_control import pace_of
from engine.targets import TYPES, fan_out_document, fan_out_parameters
from engine.wire import strings
from infra.canonical import Json
from playbooks.documents.refusals import SsmRefused

MEMBERS: Final = tuple(TYPES)
"""The members of StartAutomationExecution that say what to run on, and how fast."""
FANS: Final = ("Targets", "TargetMaps", "TargetLocations")
KEYS: Final = ("ParameterValues", "ResourceGroup", "resource-groups:Name", "InstanceIds", "AWS::EC2::Instance")
NOTHING_RUN: Final = "No target was found; nothing was run."
ACCOUNT: Final = re.compile(r"\d{12}|ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|r-[a-z0-9]{4,32}", re.ASCII)
REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
Facts = dict[str, Any]


def checked(document: Document, parameters: Mapping[str, Json], members: Mapping[str, Any]) -> None:
    """Whether such a start can be meant. Raises SsmRefused, ParametersInvalid."""
    fans = [name for name in FANS if members.get(name)]
    if not fans:
        given = ", ".join(sorted(members))
        raise _invalid(f"{given} say how a runbook runs on targets; give Targets, TargetMaps or TargetLocations, too.")
    places = members.get("TargetLocations") or ()
    if members.get("TargetMaps") and any(each.get("Targets") for each in (members, *places)):
        raise _invalid("Give either Targets or TargetMaps, not both.")
    _check_targets(document, members)
    try:
        pace_of(members.get("MaxConcurrency"), members.get("MaxErrors"), 1)
    except ValueError as error:
        raise _invalid(f"{error}.") from error
    supplied = {name: value for name, value in parameters.items() if name not in _names(members)}
    others = {name: each for name, each in document.parameters.items() if name not in _names(members)}
    bind(replace(document, parameters=others), supplied, system={}, parameter_store=lambda _: "")


def _check_targets(document: Document, members: Mapping[str, Any]) -> None:
    locations = members.get("TargetLocations") or ()
    targets = [*(members.get("Targets") or ()), *(each for place in locations for each in place.get("Targets") or ())]
    name = members.get("TargetParameterName")
    if targets and not name:
        raise _invalid("Targets need TargetParameterName: the parameter that each target's value is given to.")
    if name and not targets:
        raise _invalid("TargetParameterName needs Targets, whose values it is to take.")
    for place in locations:
        _check_place(place)
    for target in targets:
        key = str(target.get("Key", ""))
        if key not in KEYS and not key.startswith("tag:"):
            raise _invalid(f'The key of a target is one of tag:NAME, {", ".join(KEYS)}; not "{key}".')
    for unknown in _names(members) - document.parameters.keys():
        raise _invalid(f'{document.name} has no parameter "{unknown}" that targets could be given to.')


def _check_place(place: Mapping[str, Any]) -> None:
    for account in place.get("Accounts") or ():
        if not ACCOUNT.fullmatch(account):
            raise _invalid(f'An account has twelve digits, a unit begins with ou- or r-; "{account}" is neither.')
    for region in place.get("Regions") or ():
        if not REGION.fullmatch(region):
            raise _invalid(f'A Region is one such as eu-west-1, not "{region}".')


def _names(members: Mapping[str, Any]) -> set[str]:
    """The parameters whose values the targets give."""
    named = {str(members["TargetParameterName"])} if members.get("TargetParameterName") else set()
    return named | {name for each in members.get("TargetMaps") or () for name in each}


def _invalid(sentence: str) -> SsmRefused:
    return SsmRefused("InvalidTarget", sentence)


def previewed(members: Mapping[str, Any], region: str, kind: str = "") -> Facts:
    """Where such a start would run, and on how many targets as far as that is known without asking AWS."""
    places = members.get("TargetLocations") or ()
    targets = members.get("Targets") or ()
    counts = [len(target.get("Values") or ()) for target in targets if target.get("Key") == "ParameterValues"]
    counts += [len(members["TargetMaps"])] if members.get("TargetMaps") else []
    accounts = {account for place in places for account in place.get("Accounts") or ()}
    regions = [name for place in places for name in place.get("Regions") or ()]
    return {
        "Regions": list(dict.fromkeys(regions)) or [region],
        "TargetPreviews": [{"Count": count, **({"TargetType": kind} if kind else {})} for count in counts],
        "TotalAccounts": len(accounts) or 1,
    }


def fanned_out(
    document: Document, parameters: Mapping[str, Json], members: Mapping[str, Json]
) -> tuple[Document, dict[str, Json]]:
    """The runbook that runs `document` on targets, and its parameters."""
    return fan_out_document(document.name, document.version, members), fan_out_parameters(parameters, members)


def is_fan_out(state: Execution) -> bool:
    """Whether an execution runs another runbook on targets, and nothing else."""
    return bool(state.context.get("fan_out"))


def is_cross_account(state: Execution) -> bool:
    """Whether it does so in accounts and Regions (AWS's AutomationType)."""
    return is_fan_out(state) and bool(state.parameters.get("TargetLocations"))


def group_of(state: Execution) -> str:
    """The resource group that an execution runs on, or ""."""
    targets = state.parameters.get("Targets") if is_fan_out(state) else None
    for target in targets if isinstance(targets, list) else ():
        if isinstance(target, dict) and target.get("Key") in ("ResourceGroup", "resource-groups:Name"):
            return next((str(value) for value in _list(target.get("Values"))), "")
    return ""


def view(state: Execution, children: Sequence[Execution], alarms: Mapping[str, Facts]) -> Facts:
    """The members of AutomationExecution that are other than those of an execution with steps of its own.

    `alarms` are AlarmConfiguration and TriggeredAlarms of each child that has them.
    """
    supplied, by_key = (
        state.parameters.get("RuntimeParameters"),
        {each.context.get("target"): each for each in children},
    )
    runs: list[Run] = [(key, given, by_key.get(key)) for key, given in _targets(state)]
    plain = supplied if isinstance(supplied, dict) else {}
    return {
        "Parameters": {name: strings(value) for name, value in plain.items() if value is not None},
        **{name: state.parameters[name] for name in MEMBERS if state.parameters.get(name)},
        "ResolvedTargets": {"ParameterValues": [key for key, _, _ in runs], "Truncated": False},
        **({"TargetLocationsURL": url} if (url := state.context.get("locations_url")) else {}),
        "StepExecutions": [_step(state, each, alarms.get(each[2].id, {}) if each[2] else {}) for each in runs],
        "ProgressCounters": _counters(runs),
        "TargetsSummary": _summary(runs),
        "Outputs": {},
        **({"WarningMessage": NOTHING_RUN} if state.status is Status.SUCCESS and not runs else {}),
    }


Run = tuple[str, Mapping[str, Json], Execution | None]
"""A target: what it is known by, its parameters, and its execution once it is begun."""


def _targets(state: Execution) -> list[tuple[str, Mapping[str, Json]]]:
    """What each target that was found is known by, and its parameters, in order."""
    targets = state.steps[-1].memo.get("targets") if state.steps else None
    return (
        [(str(each[0]), {**each[1], **_place(each)}) for each in _lists(targets)] if isinstance(targets, list) else []
    )


def _lists(values: Sequence[Json]) -> list[list[Any]]:
    return [value for value in values if isinstance(value, list)]


def _place(target: Sequence[Any]) -> dict[str, Json]:
    """Account and Region of a target that is one; the other targets have parameters."""
    return {"Account": target[2], "Region": target[3]} if target[2] else {}


def _step(state: Execution, run: Run, alarms: Facts) -> Facts:
    key, given, child = run
    found: Facts = {
        "StepName": key,
        "Action": "aws:executeAutomation",
        "StepStatus": str(_status(state, child)),
        "Inputs": {name: ", ".join(map(render, _list(value))) for name, value in given.items()},
        "MaxAttempts": 1,
        "IsEnd": False,
        "IsCritical": True,
    }
    if is_cross_account(state):
        found["TargetLocation"] = {"Accounts": [given["Account"]], "Regions": [given["Region"]]}
    if child is None:
        return found
    found |= {
        "TriggeredAlarms": alarms.get("TriggeredAlarms"),
        "StepExecutionId": str(uuid.uuid5(uuid.UUID(child.id), "step")),
        "ExecutionStartTime": child.created_at,
        "ExecutionEndTime": child.ended_at,
        "Outputs": {"ExecutionId": [child.id], **({"Status": [str(child.status)]} if child.is_over else {})},
        "FailureMessage": child.failure_message or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _status(state: Execution, child: Execution | None) -> Status:
    if child is not None:
        return child.status if child.status is not Status.WAITING else Status.IN_PROGRESS
    return Status.CANCELLED if state.is_over else Status.PENDING


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _counters(runs: Sequence[Run]) -> dict[str, int]:
    statuses = [child.status for _, _, child in runs if child is not None]
    return {
        "TotalSteps": len(runs),
        "SuccessSteps": statuses.count(Status.SUCCESS),
        "FailedSteps": statuses.count(Status.FAILED),
        "CancelledSteps": statuses.count(Status.CANCELLED),
        "TimedOutSteps": statuses.count(Status.TIMED_OUT),
    }


def _summary(runs: Sequence[Run]) -> dict[str, int]:
    begun = [child for _, _, child in runs if child is not None]
    ended = [child for child in begun if child.is_over]
    good = sum(child.status is Status.SUCCESS for child in ended)
    return {
        "TotalCount": len(runs),
        "StartedCount": len(begun),
        "CompletedCount": len(ended),
        "SuccessfulCount": good,
        "FailedCount": len(ended) - good,
    }
