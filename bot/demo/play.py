"""The story of the demo without a person at the screen: an alarm, a question, a refusal, an approval, a restart."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.demo import fleet, story
from bot.demo.person import Person, buttons, text_of
from bot.demo.story import APPROVE, Cast, Row, Story, StoryBroken
from bot.demo.window import DeadlinePassed, Message, Window
from bot.demo.world import World
from playbooks.facts import ExecutionFacts

__all__ = ["DeadlinePassed", "Story", "StoryBroken", "play"]

CARD_SECONDS = 30.0
ANSWER_SECONDS = 15.0
RECOVERY_SECONDS = 120.0
POLL_SECONDS = 0.05
ENDS = ("Success", "Failed", "Timed out", "Stopped")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _Scene:
    """The moments that only a witness can tell."""

    card_ts: str
    red_at: float
    card_seen: float
    clicked: float
    execution_id: str
    instance_before: Mapping[str, str]
    instance_after: Mapping[str, str]


def play(world: World, alarm: str = fleet.FIRST_RED) -> Story:
    """Play the story through the workspace, and tell what happened. Raises StoryBroken, DeadlinePassed."""
    if not world.has_slack:
        raise StoryBroken(world.why_no_slack)
    window = Window(world.workspace.page)
    try:
        scene = _act(world, window, alarm)
        return _tell(world, window, scene, alarm)
    finally:
        window.close()


def _act(world: World, window: Window, alarm: str) -> _Scene:
    identity = world.identity
    approver, outsider = (
        Person(window, world.workspace.page, member, identity.channel)
        for member in (identity.approver, identity.outsider)
    )
    before = _instance(world, alarm)
    red_at = time.time()
    fleet.turn_red(world.aws.client, alarm)
    card = window.wait_for(lambda: _card(approver, alarm), CARD_SECONDS, f"a card about {alarm}")
    ts = str(card["ts"])
    seen = window.first_seen(ts) or time.time()
    asking = window.wait_for(lambda: _asking(window, card), CARD_SECONDS, "the question on the card")
    execution_id = _waiting_execution(world)
    outsider.click(asking, APPROVE)
    window.wait_for(lambda: outsider.ephemerals, ANSWER_SECONDS, "the answer to somebody without the right")
    clicked = time.time()
    approver.click(asking, APPROVE)
    _until(lambda: _facts(world, execution_id).is_over, RECOVERY_SECONDS, "the end of the execution")
    window.wait_for(lambda: _says_the_end(window.message(identity.channel, ts)), ANSWER_SECONDS, "the card's last word")
    return _Scene(ts, red_at, seen, clicked, execution_id, before, _instance(world, alarm))


def _tell(world: World, window: Window, scene: _Scene, alarm: str) -> Story:
    channel = world.identity.channel
    reader = Person(window, world.workspace.page, world.identity.requester, channel)
    trail = [row for row in _trail(world) if row["subject"] == scene.execution_id]
    watched, cast = fleet.watch(alarm), _cast(world)
    parts: dict[str, dict[str, Any]] = {
        "execution": _execution(world, scene.execution_id),
        "approval": story.approval(trail, cast),
        "instance": {
            "id": _instance_id(world, alarm),
            "region": fleet.region_of(watched),
            "state_before": scene.instance_before["state"],
            "state_after": scene.instance_after["state"],
            "launch_time_changed": scene.instance_before["launch_time"] != scene.instance_after["launch_time"],
        },
        "messages": {
            "card_ts": scene.card_ts,
            "card_updates": window.updates(scene.card_ts),
            "thread_replies": len(reader.thread(scene.card_ts)),
        },
        "audit": _verified(world),
        "seconds": {
            "alarm_to_card": round(scene.card_seen - scene.red_at, 3),
            "click_to_running": round(story.running_at(trail) - scene.clicked, 3),
            "total": round(time.time() - scene.red_at, 3),
        },
    }
    says_the_end = _says_the_end(window.message(channel, scene.card_ts))
    return Story(**parts, doubts=story.doubts(parts, trail, cast, card_says_the_end=says_the_end))


def _cast(world: World) -> Cast:
    people = world.identity
    return Cast(people.approver.id, people.outsider.id, slack_id=world.slack_id, members_of=world.members_of)


def _verified(world: World) -> dict[str, Any]:
    """What `playbook-bot audit verify` finds."""
    answer = world.terminal("audit", "verify", "--json")
    try:
        verdict = json.loads(answer.printed)
    except ValueError:
        verdict = {"events": 0, "chain": f"unverified: {answer.complained.strip()}", "head": ""}
    return dict(verdict)


def _card(reader: Person, alarm: str) -> Message | None:
    """The bot's message in the channel about this alarm."""
    found = [message for message in reader.messages() if message.get("bot_id") and alarm in _all_text(message)]
    return found[-1] if found else None


def _asking(window: Window, card: Message) -> Message | None:
    """The card once it has the button that answers the question."""
    now = window.message(card["channel"], card["ts"])
    return now if now is not None and any(one["text"]["text"] == APPROVE for one in buttons(now)) else None


def _says_the_end(card: Message | None) -> bool:
    """Whether the card has no question left and its first line is how it ended."""
    if card is None or any(one["text"]["text"] == APPROVE for one in buttons(card)):
        return False
    return str(card.get("text") or "").startswith(ENDS)


def _all_text(message: Message) -> str:
    return f"{message.get('text') or ''}\n{text_of(message)}"


def _instance(world: World, alarm: str) -> dict[str, str]:
    region = fleet.region_of(fleet.watch(alarm))
    return fleet.instance_facts(world.aws.client, region, _instance_id(world, alarm))


def _instance_id(world: World, alarm: str) -> str:
    return world.fleet.instances[fleet.watch(alarm).machine] if world.fleet is not None else ""


def _waiting_execution(world: World) -> str:
    with world.service() as service:
        return _until(
            lambda: next((asked.execution_id for asked in service.queries.open_approvals()), ""),
            ANSWER_SECONDS,
            "the question to the approvers",
        )


def _facts(world: World, execution_id: str) -> ExecutionFacts:
    with world.service() as service:
        return service.queries.execution(execution_id)


def _until(what: Callable[[], Found | None], seconds: float, told: str) -> Found:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(POLL_SECONDS)
    raise DeadlinePassed(f"{told} did not happen within {seconds:g} s.")


def _execution(world: World, execution_id: str) -> dict[str, Any]:
    """The execution and the steps that it came to; of those in branches not taken there is nothing to tell."""
    facts = _facts(world, execution_id)
    steps = [
        {"name": step.name, "action": step.action, "status": step.status}
        for step in facts.steps
        if step.status != "Pending"
    ]
    return {"id": facts.id, "document": facts.document, "status": facts.status, "steps": steps}


def _trail(world: World) -> list[Row]:
    exported = world.terminal("audit", "export", "--format", "jsonl")
    if exported.exit_code != 0:
        raise StoryBroken(f"The audit trail could not be exported: {exported.complained.strip()}")
    return [json.loads(line) for line in exported.printed.splitlines()]
