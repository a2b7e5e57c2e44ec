"""aws:approve: wait until enough people agree, or one does not.

Who may answer is decided above the engine; here distinct approvers are counted.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from audit.events import Actor
from engine.action import Action, ActionContext, ActionInputs, Failed, Outcome, Stage, StringList, Succeeded, Waiting
from engine.signals import Signal, SignalType
from infra.canonical import Json

MOST_APPROVERS = 10
ANSWERS = frozenset({SignalType.APPROVE, SignalType.REJECT})


class ApproveInputs(ActionInputs):
    """Inputs of aws:approve."""

    approvers: Annotated[StringList, Field(min_length=1, max_length=MOST_APPROVERS)]
    notification_arn: str | None = None
    message: Annotated[str, Field(max_length=4096)] | None = None
    min_required_approvals: Annotated[int, Field(ge=1)] = 1
    enhanced_approvals: object = None


class Approve(Action[ApproveInputs]):
    """Ask people."""

    name: ClassVar[str] = "aws:approve"
    impact: ClassVar[Literal["NonMutating"]] = "NonMutating"
    is_pure: ClassVar[bool] = True
    default_timeout: ClassVar[timedelta | None] = timedelta(days=7)
    max_timeout: ClassVar[timedelta | None] = timedelta(days=30)
    Inputs: ClassVar[type[ActionInputs]] = ApproveInputs

    def run(self, inputs: ApproveInputs, context: ActionContext) -> Outcome:
        """Begin to wait."""
        distinct = len(set(inputs.approvers))
        if inputs.min_required_approvals > distinct:
            found = f"MinRequiredApprovals is {inputs.min_required_approvals}, but there are only {distinct} approvers"
            return Failed(found, Stage.INPUT_VALIDATION, is_final=True)
        return _waiting([], inputs.min_required_approvals)

    def receive(self, inputs: ApproveInputs, memo: Mapping[str, Json], signal: Signal, now: datetime) -> Outcome:
        """Count one answer; a second one of the same person changes nothing."""
        before = memo.get("decisions")
        decisions: list[Json] = [*before] if isinstance(before, list) else []
        if any(isinstance(each, dict) and each.get("Approver") == signal.actor.id for each in decisions):
            return _waiting(decisions, inputs.min_required_approvals)
        decisions.append(decision(signal.actor, signal.type, now, signal.payload.get("Comment", "")))
        if signal.type is SignalType.REJECT:
            outputs: dict[str, Json] = {"ApprovalStatus": "Rejected", "ApproverDecisions": decisions}
            comment = f': "{signal.payload["Comment"]}"' if signal.payload.get("Comment") else ""
            who = signal.actor.name or signal.actor.id
            return Failed(
                f"Rejected by {who}{comment}", is_final=True, outputs=outputs, while_doing="waiting for approval"
            )
        if len(decisions) >= inputs.min_required_approvals:
            return Succeeded({"ApprovalStatus": "Approved", "ApproverDecisions": decisions})
        return _waiting(decisions, inputs.min_required_approvals)


def decision(by: Actor, verdict: str, at: datetime, comment: str) -> dict[str, Json]:
    """One answer, as `ApproverDecisions` has it."""
    said: dict[str, Json] = {"Comment": comment} if comment else {}
    return {"Approver": by.id, "ApprovalStatus": str(verdict), "ApprovalDecisionTime": at.isoformat(), **said}


def _waiting(decisions: list[Json], minimum: int) -> Waiting:
    outputs: dict[str, Json] = {"ApprovalStatus": "Waiting", "ApproverDecisions": decisions}
    say = f"{len(decisions)} of {minimum} approvals"
    return Waiting(signals=ANSWERS, memo={"decisions": decisions}, outputs=outputs, say=say)
