"""Reading an execution at AWS, with all of its steps, and finding in it what a signal would meet."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.action import AwsApi
from infra.canonical import Json

Told = Mapping[str, Any]
"""GetAutomationExecution's AutomationExecution, times as ISO 8601; or one of its StepExecutions."""


def read(aws: AwsApi, aws_id: str) -> Told:
    """The execution as AWS tells it now. Raises AwsRefused, AwsUnreachable."""
    asked = {"AutomationExecutionId": aws_id}
    found: Told = aws.call("ssm", "GetAutomationExecution", asked)["AutomationExecution"]
    if not found.get("StepExecutionsTruncated"):
        return found
    return {**found, "StepExecutions": [*pages(aws, "DescribeAutomationStepExecutions", asked, "StepExecutions")]}


def pages(aws: AwsApi, operation: str, members: Mapping[str, Any], name: str) -> Iterator[Told]:
    """Everything that a Describe operation lists under a name, page by page."""
    more: dict[str, Any] = {}
    while True:
        answer = aws.call("ssm", operation, {**members, "MaxResults": 50, **more})
        yield from answer.get(name) or ()
        if not answer.get("NextToken"):
            return
        more = {"NextToken": answer["NextToken"]}


def waiting(execution: Told, step_execution_id: str) -> Told | None:
    """The step that was answered, if it is the one that waits now."""
    steps = (step for step in execution.get("StepExecutions") or () if step.get("StepStatus") == "Waiting")
    return next((step for step in steps if step.get("StepExecutionId") == step_execution_id), None)


def is_said_to_wait(aws: AwsApi, aws_id: str, name: str) -> bool:
    """Whether the list of executions, which is not what `read` reads, shows it waiting at a step of that name."""
    asked = {"Filters": [{"Key": "ExecutionId", "Values": [aws_id]}]}
    listed = aws.call("ssm", "DescribeAutomationExecutions", asked).get("AutomationExecutionMetadataList") or ()
    found: Told = next((each for each in listed if each.get("AutomationExecutionId") == aws_id), {})
    is_waiting = found.get("AutomationExecutionStatus") == "Waiting"
    return is_waiting and (found.get("CurrentStepName") or name) == name


def minimum(step: Told) -> int:
    """How many approvals a waiting aws:approve wants."""
    return int(str((step.get("Inputs") or {}).get("MinRequiredApprovals") or 1).strip('"') or 1)


def approvers(step: Told) -> list[str]:
    """Who has approved a waiting aws:approve, as far as AWS shows it: each as `principal` has it."""
    return [*_approvers((step.get("Outputs") or {}).get("ApproverDecisions") or ())]


def _approvers(decisions: Iterable[str]) -> Iterator[str]:
    for told in decisions:
        try:
            found = json.loads(told)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("ApprovalStatus") == "Approve":
            yield principal(str(found.get("Approver")))


def principal(arn: str) -> str:
    """The same word for a role and for its sessions, whose ARN leaves the role's path out."""
    parts = arn.split(":")
    kind, *names = parts[-1].split("/")
    if kind not in ("role", "assumed-role") or not names:
        return arn
    return f"{parts[4]}/{names[0] if kind == 'assumed-role' else names[-1]}"


def begun(execution: Told) -> list[Json]:
    """Which steps have begun, and how each stands: what StartStep and StopStep change."""
    steps = [each for each in execution.get("StepExecutions") or () if each.get("StepExecutionId")]
    return [[str(each["StepExecutionId"]), str(each.get("StepStatus"))] for each in steps]
