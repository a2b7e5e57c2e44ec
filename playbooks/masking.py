"""Facts as doors may show them: no secret in any of them. Pure; the engine's rows keep what is real."""

from dataclasses import replace

from infra.masking import Masking
from playbooks.facts import ApprovalFacts, DecisionFacts, ExecutionFacts, StepFacts


def hidden(facts: ExecutionFacts, mask: Masking) -> ExecutionFacts:
    """The facts of an execution with every secret masked."""
    return replace(
        facts,
        parameters=mask.mapping(facts.parameters),
        outputs=mask.mapping(facts.outputs),
        steps=tuple(_step(step, mask) for step in facts.steps),
        failure_message=mask.text(facts.failure_message),
        notice=mask.text(facts.notice),
        approval=None if facts.approval is None else question(facts.approval, mask),
        approvals=tuple(question(each, mask) for each in facts.approvals),
    )


def question(facts: ApprovalFacts, mask: Masking) -> ApprovalFacts:
    """The facts of a question, with every secret masked."""
    decisions = tuple(_decision(decision, mask) for decision in facts.decisions)
    return replace(facts, message=mask.text(facts.message), decisions=decisions)


def _decision(facts: DecisionFacts, mask: Masking) -> DecisionFacts:
    return replace(facts, comment=mask.text(facts.comment))


def _step(facts: StepFacts, mask: Masking) -> StepFacts:
    return replace(
        facts,
        inputs=mask.mapping(facts.inputs),
        outputs=mask.mapping(facts.outputs),
        say=mask.text(facts.say),
        failure_message=mask.text(facts.failure_message),
    )
