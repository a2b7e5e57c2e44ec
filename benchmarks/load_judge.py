"""Judges what a load has left behind: what stands in Slack beside the facts, and what the trail says."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from benchmarks.load_world import World
from bot.slack.outbox import _marked
from bot.slack.painter import CardPainter
from bot.slack.store import CARD, DEAD, HELD, STORM, SUGGESTION, SlackMessage, message_table

SHOWN = (CARD, SUGGESTION, STORM)


def messages(world: World) -> list[SlackMessage]:
    """What should stand in Slack, by the bot's rows."""
    with world.service.db.reading() as connection:
        rows = connection.execute(select(message_table)).mappings()
        return [SlackMessage(**{name: row[name] for name in SlackMessage.__slots__}) for row in rows]


def wrong_cards(world: World) -> list[str]:
    """Cards that do not stand in Slack as the facts are now, each with what is wrong."""
    painter, found = CardPainter(world.view.door), []
    standing = world.slack.standing()
    for message in messages(world):
        if message.kind not in SHOWN or message.state == HELD:
            continue
        there, painted = standing.get(message.ts), painter.paint(message)
        if message.state == DEAD or there is None or painted is None:
            found.append(f"{message.key} does not stand there ({message.state})")
        elif _plain(there) != _plain(_marked(painted, message.key)):
            found.append(f"{message.key} shows something else than the facts")
    return found


def _plain(message: Mapping[str, Any]) -> Any:
    return message.get("text"), message.get("blocks")


def posted_twice(world: World) -> list[str]:
    """Messages that stand in Slack more than once, by the key in their first block."""
    found = Counter(_key(arguments) for _, method, arguments in world.slack.writes if method == "chat.postMessage")
    return [key for key, count in found.items() if count > 1 and ":" in key]


def edits(world: World, since: float) -> Counter[str]:
    """How often each message was edited since a moment."""
    done = [arguments for at, method, arguments in world.slack.writes if method == "chat.update" and at >= since]
    return Counter(_key(arguments) for arguments in done)


def _key(arguments: Mapping[str, Any]) -> str:
    blocks: Sequence[Mapping[str, Any]] = arguments.get("blocks") or [{}]
    return str(blocks[0].get("block_id", ""))


def wrong_order(world: World, waiting: Sequence[SlackMessage], since: float) -> list[str]:
    """Posts to a channel that went before a more urgent one, of those that waited at a moment and answer nothing."""
    lanes = {message.key: message.lane for message in waiting if not message.thread_key and not message.ts}
    latest: dict[str, int] = {}
    found = []
    for at, method, arguments in world.slack.writes:
        key, channel = _key(arguments), str(arguments["channel"])
        if at < since or method != "chat.postMessage" or key not in lanes:
            continue
        if lanes[key] < latest.get(channel, 0):
            found.append(f"{key} (lane {lanes[key]}) came after one of lane {latest[channel]}")
        latest[channel] = max(lanes[key], latest.get(channel, 0))
    return found


def trail(world: World) -> Counter[tuple[str, str]]:
    """(subject, name of event) -> how often; the chain is proved on the way."""
    service = world.service
    with service.db.reading() as connection:
        if not service.audit.verify(connection).is_valid:
            raise AssertionError("the audit chain is broken")
        return Counter((entry.event.subject, entry.event.name) for entry in service.audit.entries(connection))
