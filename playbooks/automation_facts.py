"""The facts of SSM's Automation API: executions, their steps and previews, in the API's own members."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from approvals.store import ApprovalStore
from engine.action import Action
from engine.actions.approve import decision
from engine.document import Document
from engine.execution import Execution
from engine.parameters import ParametersInvalid, bind
from engine.rules import system_values
from engine.shelf import DocumentShelf
from engine.store import ExecutionStore, Selection
from engine.wire import automation_execution
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database, Transaction
from playbooks import automation_alarms
from playbooks.access import Wish as AccessWish
from playbooks.asking import top_of
from playbooks.automation import KIND, DocumentFinder, Locations, Wish, located, no_locations, not_found
from playbooks.automation_targets import checked, group_of, is_cross_account, is_fan_out, previewed, view
from playbooks.documents.refusals import SsmRefused
from playbooks.documents.store import PreviewStore, TagStore
from playbooks.guards import Guards, about
from playbooks.people import Directory, Identity, actor_of
from playbooks.refusals import NotAllowed

APPROVE: Final = "aws:approve"
KEPT: Final = timedelta(days=1)
"""How long a preview can be asked for."""
Facts = dict[str, Any]


@dataclass
class AutomationSources:
    """What the composition root gives the facts."""

    db: Database
    executions: ExecutionStore
    shelf: DocumentShelf
    tags: TagStore
    previews: PreviewStore
    documents: DocumentFinder
    actions: Mapping[str, Action[Any]]
    directory: Directory
    clock: Clock
    account: str
    guards: Guards
    """Who may see what."""
    approvals: ApprovalStore
    locations: Locations = no_locations


@dataclass(frozen=True, slots=True)
class Sought:
    """Which executions to list: by their rows, then by the running action and by tag keys, where any are given."""

    names_beginning: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    started_before: datetime | None = None
    started_after: datetime | None = None
    actions: tuple[str, ...] = ()
    tag_keys: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    """AWS's AutomationType: Local, CrossAccount."""
    groups: tuple[str, ...] = ()
    """Resource groups that it runs on."""

    @property
    def rows(self) -> Selection:
        """The part that rows answer."""
        return Selection(
            self.names_beginning, self.statuses, self.ids, self.parents, self.started_before, self.started_after
        )


@dataclass(frozen=True, slots=True)
class Told:
    """An execution and the ARN of who started it."""

    state: Execution
    executed_by: str


class AutomationFacts:
    """The facts. Composed in bot/service.py."""

    def __init__(self, sources: AutomationSources) -> None:
        self._from = sources

    def execution(self, execution_id: str, by: Identity) -> Facts:
        """AutomationExecution. Raises SsmRefused; whoever may not see it is audited."""
        with self._from.db.reading() as connection:
            state = self._from.executions.get(connection, execution_id)
            if state is None:
                raise not_found(execution_id)
            wish, found = self._sight(connection, state, by), self._spelled(connection, state)
        try:
            self._from.guards.permit(wish, by, subject=execution_id)
        except NotAllowed as error:
            raise SsmRefused("AccessDeniedException", str(error)) from error
        return found

    def _sight(self, connection: Connection, state: Execution, by: Identity) -> AccessWish:
        """To see an execution is to see what started it."""
        return about(top_of(self._from.executions, connection, state), by, "see")

    def told(self, tx: Transaction, execution_id: str) -> Told | None:
        """An execution as an event tells of it."""
        state = self._from.executions.get(tx, execution_id)
        return Told(state, self._executed_by(state)) if state else None

    def page(self, sought: Sought, by: Identity, *, after: str, limit: int) -> list[Facts]:
        """At most `limit` executions that somebody may see, newest first, after one of them.

        Raises LookupError when that one is gone.
        """
        found: list[Facts] = []
        with self._from.db.reading() as connection:
            while rows := self._from.executions.page(connection, sought.rows, after=after, limit=max(limit, 50)):
                tags = self._from.tags.of_all(connection, KIND, [row.id for row in rows]) if sought.tag_keys else {}
                for state in rows:
                    is_sought = _is_sought(state, tags.get(state.id, {}), sought)
                    if is_sought and self._from.guards.may(self._sight(connection, state, by), by):
                        found.append(self._spelled(connection, state))
                    if len(found) == limit:
                        return found
                after = rows[-1].id
        return found

    def _spelled(self, connection: Connection, state: Execution) -> Facts:
        document, state = self._from.shelf.of(connection, state), self._answered(connection, state)
        found: Facts = {**automation_execution(state, document), "ExecutedBy": self._executed_by(state)}
        if state.parent_id and state.context.get("target"):
            found["Target"] = state.context["target"]
        found |= automation_alarms.told(connection, self._from.tags, state)
        if not is_fan_out(state):
            return found
        found = {name: value for name, value in found.items() if name not in ("CurrentStepName", "CurrentAction")}
        children = self._from.executions.children(connection, state.id)
        alarms = {child.id: automation_alarms.told(connection, self._from.tags, child) for child in children}
        return {**found, **view(state, children, alarms)}

    def _answered(self, connection: Connection, state: Execution) -> Execution:
        """With the answers so far, of which a step that asks hears only when there are enough."""
        step = state.step
        asked = self._from.approvals.of_step(connection, step.id) if step and step.action == APPROVE else None
        if step is None or asked is None:
            return state
        answers: list[Json] = [decision(each.actor, each.verdict, each.at, each.comment) for each in asked.decisions]
        shown = replace(step, outputs={**step.outputs, "ApproverDecisions": answers})
        return replace(state, steps=tuple(shown if each.id == step.id else each for each in state.steps))

    def _executed_by(self, state: Execution) -> str:
        """The ARN of who started it; people of other doors show the account that the directory knows, or their name."""
        said = str(state.context.get("principal") or "")
        if said or state.started_by.id.startswith("arn:"):
            return said or state.started_by.id
        known = (person for person in self._from.directory.people if f"person:{person.id}" == state.started_by.id)
        person = next(known, None)
        iam = next((each for each in person.iam if each.startswith("arn:")), "") if person else ""
        name = state.started_by.name or state.started_by.id.rpartition(":")[2]
        return iam or f"arn:{state.partition}:iam::{self._from.account}:user/{name}"

    # -- previews

    def preview(self, wish: Wish, by: Identity) -> str:
        """Look at what a start would do; returns the id under which the result can be had. Raises SsmRefused."""
        document, now = self._from.documents.wanted(wish.document, wish.version), self._from.clock()
        wish = located(wish, self._from.locations)
        facts = self._previewed(wish, document, by, now)
        preview_id = str(uuid.uuid4())
        with self._from.db.transaction() as tx:
            self._from.previews.add(tx, preview_id, facts, now, keep=KEPT)
        return preview_id

    def _previewed(self, wish: Wish, document: Document, by: Identity, now: datetime) -> Facts:
        state = Execution(
            "", document.name, document.version, document.digest, {}, actor_of(by), wish.region, self._from.account
        )
        try:
            if wish.targets:
                checked(document, wish.parameters, wish.targets)
            else:
                bind(document, wish.parameters, system=system_values(state, now))
        except (ParametersInvalid, SsmRefused) as error:
            return {"Status": "Failed", "StatusMessage": str(error)}
        impacts: dict[str, int] = {}
        for step in document.all_steps():
            action = self._from.actions.get(step.action)
            impact = action.impact if action is not None else "Undetermined"
            impacts[impact] = impacts.get(impact, 0) + 1
        automation = {"StepPreviews": impacts, **previewed(wish.targets, wish.region, document.target_type)}
        return {"Status": "Success", "ExecutionPreview": {"Automation": automation}}

    def previewed(self, preview_id: str) -> Facts:
        """A preview that was asked for. Raises SsmRefused."""
        with self._from.db.reading() as connection:
            found = self._from.previews.get(connection, preview_id)
        if found is None:
            raise SsmRefused("ResourceNotFoundException", f"There is no execution preview with the id {preview_id}.")
        facts, at = found
        return {"ExecutionPreviewId": preview_id, "EndedAt": at, **facts}


def _is_sought(state: Execution, tags: Mapping[str, str], sought: Sought) -> bool:
    step = state.step
    if sought.actions and (step is None or step.action not in sought.actions):
        return False
    if sought.types and ("CrossAccount" if is_cross_account(state) else "Local") not in sought.types:
        return False
    if sought.groups and group_of(state) not in sought.groups:
        return False
    return not sought.tag_keys or any(key in tags for key in sought.tag_keys)


StepTest = Callable[[Facts], bool]


def steps(execution: Facts, tests: Sequence[StepTest], *, is_reversed: bool) -> list[Facts]:
    """The step executions of an AutomationExecution that pass every test, in the order they began (or the opposite)."""
    found = [step for step in execution["StepExecutions"] if all(test(step) for test in tests)]
    begun = sorted(
        (step for step in found if step.get("ExecutionStartTime")), key=lambda each: each["ExecutionStartTime"]
    )
    ordered = [*begun, *(step for step in found if not step.get("ExecutionStartTime"))]
    return ordered[::-1] if is_reversed else ordered
