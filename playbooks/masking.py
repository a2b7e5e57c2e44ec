"""Facts as doors may show them: no secret in any of them. Pure; the engine's rows keep what is real."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from engine.document import Document
from engine.parameters import LONGEST_SHOWN
from engine.protocol import StartOrder
from infra.masking import Masking, is_secret_name, leaves, masking
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


def secret_names(document: Document, named: Iterable[str]) -> tuple[str, ...]:
    """Parameters whose values nobody shall read: those that are named, and those named like a secret."""
    secret = frozenset(named)
    return tuple(name for name in document.parameters if name in secret or is_secret_name(name))


def problems(found: Mapping[str, str], order: StartOrder) -> dict[str, str]:
    """What is wrong with the values of a start, without those that nobody shall read; a sentence cuts a long one."""
    names = secret_names(order.document, order.secrets)
    values = [leaf for name in names for leaf in leaves(order.parameters.get(name))]
    mask = masking({each for leaf in values for each in (leaf, leaf[:LONGEST_SHOWN])})
    return {name: mask.text(sentence) for name, sentence in found.items()}


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
