"""What every listener of the Slack door needs: verbs, facts, people, and ways to answer."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from bot.slack.identity import People, Stranger
from bot.slack.store import SlackStore
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable
from playbooks.operations import Operations, Refused
from playbooks.people import Identity
from playbooks.queries import NotFound, Queries

log = structlog.get_logger()


@dataclass(frozen=True)
class SlackDoor:
    """The composed parts."""

    db: Database
    store: SlackStore
    operations: Operations
    queries: Queries
    people: People
    clock: Clock
    command: str = "/playbook"
    team_id: str = ""
    app_id: str = ""
    workspace_url: str = ""

    def identity(self, body: Mapping[str, Any]) -> Identity:
        """Who acts, by what the payload says and Slack confirms. Raises Stranger."""
        user = body.get("user")
        if isinstance(user, Mapping):
            return self.people.identify(str(user.get("id") or ""), team_id=str(user.get("team_id") or ""))
        return self.people.identify(str(body.get("user_id") or ""))

    def links(self, execution_ids: list[str]) -> dict[str, str]:
        """Addresses of the cards of executions."""
        with self.db.reading() as connection:
            places = self.store.places(connection, [f"card:{each}" for each in execution_ids])
        return {key.partition(":")[2]: self.link(*place) for key, place in places.items()}

    def link(self, channel: str, ts: str) -> str:
        """The address of a message; "" where the workspace's own is not known."""
        return f"{self.workspace_url}archives/{channel}/p{ts.replace('.', '')}" if self.workspace_url else ""

    def attempt(self, what: Callable[[], str | None]) -> str | None:
        """Do it; known refusals become their sentence, anything else an apology with an id that is logged."""
        try:
            return what()
        except (Refused, NotFound, Stranger) as error:
            return str(error)
        except DatabaseUnavailable:
            log.exception("database unavailable")
            return "My database does not answer. Nothing was done; please try again in a moment."
        except Exception:  # a person gets a sentence, the log the rest
            reference = uuid.uuid4().hex[:8]
            log.exception("listener failed", reference=reference)
            return f"Something went wrong on my side. Nothing was done that is not on a card. Reference `{reference}`."
