"""Whether who started an execution may still run it: looked at once more when an answer lets it go on, days later."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from engine.execution import Execution
from engine.store import ExecutionStore
from infra.db import Transaction
from playbooks.access import Wish
from playbooks.asking import top_of
from playbooks.people import Directory, Identity, Unidentified

ACCOUNT = "started_as"
"""Where an execution's context keeps the account by which a person has started it."""


@dataclass(frozen=True, slots=True)
class Starter:
    """A person who has started an execution, the account by which they did, and the right that it takes."""

    name: str
    account: str
    title: str
    wish: Wish


@dataclass(frozen=True)
class Starters:
    """Looks at them. `attest` says who an account is now, None = nobody can be asked; `may` applies the rules."""

    executions: ExecutionStore
    directory: Directory
    attest: Callable[[str], Identity | None]
    may: Callable[[Wish, Identity], bool]

    def of(self, connection: Connection | Transaction, execution_id: str) -> Starter | None:
        """Who has started it; None where that was no person, or by an account that nobody can be asked about."""
        state = self.executions.get(connection, execution_id)
        if state is None:
            return None
        top = top_of(self.executions, connection, state)
        account = str(top.context.get(ACCOUNT) or "") or self._slack_of(top)
        playbook = str(top.context.get("playbook") or "")
        if top.started_by.kind != "person" or not account or not playbook:
            return None
        wish = Wish("run", playbook, top.parameters, None, top.region, top.account)
        return Starter(top.started_by.name or top.started_by.id, account, playbook, wish)

    def _slack_of(self, top: Execution) -> str:
        """The account of a person of the table, for what was started before accounts were kept."""
        people = self.directory.people
        slack = next((each.slack for each in people if f"person:{each.id}" == top.started_by.id), "")
        return f"slack:/{slack}" if slack else ""

    def bar(self, starter: Starter | None) -> str:
        """Why it must not go on, and the way out, in a sentence; "" = it may.

        May ask Slack, so that it is asked outside of transactions where there is one. Raises Unidentified where it is
        to be known in a moment.
        """
        if starter is None:
            return ""
        try:
            by = self.attest(starter.account)
        except Unidentified as error:
            if error.is_passing:
                raise
            return _sentence(starter, f" ({error})")
        if by is None or self.may(starter.wish, by):
            return ""
        return _sentence(starter, "")


def _sentence(starter: Starter, why: str) -> str:
    return (
        f"{starter.name}, who started this, may not run {starter.title} any more{why}, so it does not go on. "
        "Stop it, and have somebody who may run it start it again; "
        f"should {starter.name} be allowed to again, it goes on by itself."
    )
