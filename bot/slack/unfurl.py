"""Links to executions in AWS's console, shown below the messages that carry them."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.blocks.unfurl import unfurled
from bot.slack.client import NO_ANSWER
from bot.slack.door import SlackDoor
from bot.slack.identity import Stranger
from bot.slack.manifest import CONSOLE
from playbooks.queries import NotFound

log = structlog.get_logger()

MOST_LINKS: Final = 5
_EXECUTION: Final = re.compile(r"/automation/execution/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class UnfurlListeners:
    """What whoever wrote the link may see, and never into channels shared with other organisations."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.event("link_shared")(self.shared)

    def shared(self, ack: Ack, body: dict[str, Any], event: dict[str, Any], client: WebClient) -> None:
        """Somebody wrote a message with links of ours, or is about to."""
        found = {url: execution_id for url in _urls(event) if (execution_id := execution_in(url))}
        if found and not body.get("is_ext_shared_channel"):
            self._door.workbench.later(lambda: self._show(client, body, event, found))
        ack()

    def _show(
        self, client: WebClient, body: Mapping[str, Any], event: Mapping[str, Any], found: Mapping[str, str]
    ) -> None:
        shown = {}
        try:
            by = self._door.identify(body, str(event.get("user") or ""))
        except Stranger as stranger:
            log.info("link not shown", reason=str(stranger))
            return
        for url, execution_id in found.items():
            try:
                facts = self._door.queries.execution(execution_id)
            except NotFound:
                continue
            if not self._door.operations.may_see(facts, by):
                continue
            shown[url] = {"blocks": unfurled(facts, self._door.links([facts.id]).get(facts.id, ""))}
        if not shown:
            return
        where: dict[str, Any] = {"channel": event.get("channel"), "ts": event.get("message_ts")}
        if event.get("unfurl_id") and event.get("source"):
            where = {"unfurl_id": event["unfurl_id"], "source": event["source"]}
        try:
            client.chat_unfurl(**where, unfurls=shown)
        except NO_ANSWER as error:
            log.info("link not shown", error=str(error))


def _urls(event: Mapping[str, Any]) -> list[str]:
    links = event.get("links")
    found = [each.get("url") for each in links if isinstance(each, Mapping)] if isinstance(links, list) else []
    return [url for url in found if isinstance(url, str)][:MOST_LINKS]


def execution_in(url: str) -> str:
    """The execution that an address of the console names; "" for none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.hostname or ""
    if host != CONSOLE and not host.endswith(f".{CONSOLE}"):
        return ""
    match = _EXECUTION.search(f"{parts.path}#{parts.fragment}")
    return match[1] if match else ""
