"""Listeners about what holds starts back: *Notify me*, *Take over*, *Pause everything*, and `/playbook why`."""

from collections.abc import Callable
from typing import Any, Final

from slack_bolt import Ack, App
from slack_sdk import WebClient

from audit.trail import Entry
from bot.slack.blocks import form, replies
from bot.slack.blocks import guards as blocks
from bot.slack.blocks import text as t
from bot.slack.commandline import Typed
from bot.slack.door import SlackDoor, pressed, sender_of
from bot.slack.identity import Stranger
from bot.slack.leave import LeaveVerbs
from bot.slack.store import DECISIONS, TEXT, SlackStore
from infra.clock import Clock
from infra.db import Transaction
from playbooks.people import Identity
from playbooks.refusals import Busy, Refused
from playbooks.typed import typed_values

GUARD_VERBS: Final = frozenset({"why", "pause", "notify", "takeover", "away", "back"})
OFF: Final = ("off", "end", "resume")


class GuardListeners:
    """Each click is one transaction; answers are private, and the trail has them all."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.action(blocks.NOTIFY)(self.notify)
        app.action(blocks.TAKE_OVER)(self.take_over)
        app.action(blocks.PAUSE)(self.pause)
        app.action(blocks.RESUME)(self.resume)

    def notify(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Notify me* was pressed."""
        by_slack, execution_id = sender_of(body), pressed(body)
        self._answered(body, client, lambda by: self._notify(execution_id, by, by_slack))
        ack()

    def take_over(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Take over* was pressed, and confirmed."""
        self._answered(body, client, lambda by: self._take_over(pressed(body), by))
        ack()

    def pause(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Pause everything* was pressed, and confirmed."""
        self._answered(body, client, lambda by: self._pause(by, ""))
        ack()

    def resume(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Resume* was pressed, and confirmed."""
        self._answered(body, client, self._resume)
        ack()

    def _answered(self, body: dict[str, Any], client: WebClient, what: Callable[[Identity], str]) -> None:
        """Do it, and say so where it was pressed: privately below a message, or on the page of a form."""
        text = self._door.attempt(lambda: what(self._door.identity(body)))
        view = body.get("view") or {}
        if not text or view.get("type") != "modal":
            self._door.whisper(body, text)
            return
        page = {**form.notice(blocks.IN_USE, text), "clear_on_close": True}
        self._door.workbench.later(lambda: self._door.update_view(client, str(view.get("id")), page))

    # -- typed

    def answer(self, wanted: Typed, by: Identity, user: str, channel: str) -> tuple[str, list[dict[str, Any]]]:
        """What a line with one of the `GUARD_VERBS` is answered: the text, and blocks where there are buttons."""
        command = self._door.command
        match wanted.verb:
            case "why":
                return self._why(wanted, by, channel), []
            case "away" | "back":
                return LeaveVerbs(self._door).answer(wanted, by), []
            case "notify" | "takeover" if not wanted.words:
                return replies.which(command, f"{wanted.verb} ID"), []
            case "notify":
                return self._notify(self._door.queries.execution(wanted.words[0]).id, by, user), []
            case "takeover":
                return self._take_over(wanted.words[0], by), []
        if not wanted.words:
            state = blocks.pause_state(self._door.operations.guarding.paused(), command)
            return str(state[0]["text"]["text"]), state
        if len(wanted.words) == 1 and wanted.words[0].lower() in OFF:
            return self._resume(by), []
        return self._pause(by, " ".join(wanted.words)), []

    def _why(self, wanted: Typed, by: Identity, channel: str) -> str:
        """`why [@user] PLAYBOOK [parameter=value …]`."""
        words, whom, who = list(wanted.words), by, "You"
        if words and words[0][:1] in ("U", "W") and words[0].isalnum() and words[0].isupper():
            whom, who = self._other(words.pop(0), by)
        if not words:
            return replies.which(self._door.command, "why [@user] PLAYBOOK [parameter=value …]")
        facts = self._door.queries.playbook(words[0].lower())
        pairs = dict(wanted.pairs)
        region = pairs.pop("region", "") if all(each.name != "region" for each in facts.parameters) else ""
        region = region or (self._door.regions[0] if self._door.regions else "")
        loose = [each.name for each in facts.parameters if each.is_required and each.name not in pairs]
        pairs.update(zip(loose, words[1:], strict=False))
        given = typed_values(facts.parameters, pairs)
        found = self._door.operations.guarding.why(whom, facts.name, given, channel=channel, region=region)
        return blocks.why(found, who)

    def _other(self, user: str, by: Identity) -> tuple[Identity, str]:
        """Somebody else, whom a full member may ask about."""
        if not by.is_full_member:
            raise Refused(blocks.GUESTS_ASK_ABOUT_THEMSELVES)
        try:
            whom = self._door.people.attested(f"{by.account.rpartition('/')[0]}/{user}")
        except Stranger as stranger:
            raise Refused(blocks.may_do_nothing(user, str(stranger))) from stranger
        return whom, whom.name or user

    # -- done

    def _notify(self, execution_id: str, by: Identity, user: str) -> str:
        mention = f"<@{user}>" if user else ""
        return self._door.operations.guarding.notify_me(execution_id, by, mention=mention)

    def _take_over(self, wish_id: str, by: Identity) -> str:
        taken = self._door.operations.guarding.take_over(wish_id, by)
        return replies.taken_over(taken.holder.title, taken.holder.execution_id, taken.execution_id)

    def _pause(self, by: Identity, reason: str) -> str:
        self._door.operations.guarding.pause(by, reason)
        return replies.paused(self._door.command)

    def _resume(self, by: Identity) -> str:
        self._door.operations.guarding.resume(by)
        return replies.EVERYTHING_GOES_ON


def offered(door: SlackDoor, what: Callable[[], str | None]) -> tuple[str | None, list[dict[str, Any]]]:
    """`door.attempt`, with the buttons that a resource in use offers."""
    found: list[dict[str, Any]] = []

    def attempt() -> str | None:
        try:
            return what()
        except Busy as refused:
            found.extend(blocks.busy(refused, door.command))
            return blocks.busy_text(refused, door.command)

    return door.attempt(attempt), found


def tell(tx: Transaction, entry: Entry, store: SlackStore, clock: Clock, *, channel: str, command: str) -> None:
    """Have Slack hear of the switch, and those of an end who wanted to."""
    event, now = entry.event, clock()
    key = f"card:{event.subject}"
    if event.name in ("bot.paused", "bot.resumed") and channel:
        text = blocks.announced(event.name, event.data, t.who(event.actor), command)
        store.want(
            tx, f"switch:{entry.seq}", kind=TEXT, subject="", channel=channel, now=now, lane=DECISIONS, text=text
        )
    elif event.name == "lock.released" and store.state(tx, key):
        store.want(
            tx,
            f"freed:{entry.seq}",
            kind=TEXT,
            subject=event.subject,
            channel=store.channel_of(tx, key),
            now=now,
            lane=DECISIONS,
            thread_key=key,
            text=blocks.freed(event.data),
        )
