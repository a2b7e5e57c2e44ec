"""Child executions as a step of their parent has them: found, counted and ordered."""

from dataclasses import dataclass, replace
from typing import Protocol

from engine import conductor
from engine.action import ChildOrder, ChildResult, Outcome, Waiting
from engine.document import Document
from engine.execution import Execution
from engine.performing import child_result
from engine.protocol import StartOrder, Stored
from engine.shelf import DocumentShelf
from engine.store import ExecutionStore
from engine.stored_parameters import Prepare, as_it_is
from engine.targets import fan_out_document, fan_out_parameters
from infra.aws_models import partition_of
from infra.canonical import Json
from infra.db import Transaction


class DocumentSource(Protocol):
    """Where aws:executeAutomation finds its documents."""

    def find(self, name: str, version: str) -> Document:
        """The document of that name. Raises LookupError with a sentence."""


@dataclass(frozen=True, slots=True)
class Children:
    """The children of any execution: one of a plain step, many of a fan-out (their ids are in the step's memo)."""

    store: ExecutionStore
    shelf: DocumentShelf
    documents: DocumentSource | None
    prepare: Prepare = as_it_is

    def of_step(self, tx: Transaction, state: Execution) -> ChildResult | None:
        """The one child of the running step."""
        step = state.step
        child = self.store.get(tx, step.child_id) if step is not None and step.child_id else None
        return self._result(tx, child) if child else None

    def fan_out(self, tx: Transaction, state: Execution) -> list[Execution]:
        """The children that the running step has begun in a fan-out."""
        known = state.step.memo.get("children") if state.step is not None else None
        if not isinstance(known, list):
            return []
        return [each for each in self.store.children(tx, state.id) if each.id in known]

    def results(self, tx: Transaction, state: Execution) -> tuple[ChildResult, ...]:
        """How each of them stands."""
        return tuple(self._result(tx, child) for child in self.fan_out(tx, state))

    def ended(self, tx: Transaction, state: Execution) -> int:
        """How many of them are over."""
        return sum(child.is_over for child in self.fan_out(tx, state))

    def _result(self, tx: Transaction, child: Execution) -> ChildResult:
        return child_result(child, self.shelf.of(tx, child))

    def prepared(self, parent: Execution, outcome: Outcome | None) -> Outcome | None:
        """The outcome with what the ordered children need of Parameter Store; to be asked outside any transaction."""
        if not isinstance(outcome, Waiting) or self.prepare is as_it_is:
            return outcome
        known: dict[tuple[str, ...], Stored] = {}
        child = outcome.child and self._prepared(parent, outcome.child, known)
        children = outcome.children and tuple(self._prepared(parent, each, known) for each in outcome.children)
        return replace(outcome, child=child, children=children)

    def _prepared(self, parent: Execution, order: ChildOrder, known: dict[tuple[str, ...], Stored]) -> ChildOrder:
        try:
            wish = self.wish(parent, order, order.execution_id)
        except LookupError:
            return order  # refused, with this sentence, where it is to be started
        key = (wish.document.digest, wish.region, wish.account, wish.role, *sorted(wish.parameters))
        if key not in known:
            known[key] = self.prepare(wish).stored
        return replace(order, stored=known[key])

    def wish(self, parent: Execution, order: ChildOrder, child_id: str) -> StartOrder:
        """The start that a step has ordered. Raises LookupError with a sentence."""
        if self.documents is None:
            raise LookupError(f'document "{order.document_name}" was not found')
        document, parameters = self.documents.find(order.document_name, order.document_version), order.parameters
        if parent.depth >= conductor.DEEPEST:
            raise LookupError(f"automations may be nested at most {conductor.DEEPEST} levels deep")
        if order.fan_out:
            document = fan_out_document(document.name, document.version, order.fan_out)
            parameters = fan_out_parameters(parameters, order.fan_out)
        kind = "targets" if order.fan_out else ""
        context: dict[str, Json] = {
            "parent_step": parent.step.name if parent.step else "",
            "target": order.label,
            "fan_out": kind,
            "alarms": dict(order.alarms),
        }
        return StartOrder(
            document, parameters, parent.started_by, order.region or parent.region, order.account or parent.account,
            partition_of(order.region) if order.region else parent.partition, execution_id=child_id,
            context={name: value for name, value in context.items() if value}, stored=order.stored,
            role=order.role or parent.assume_role,
        )  # fmt: skip
