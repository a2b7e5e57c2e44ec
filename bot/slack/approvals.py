"""Listeners of the answers: approve, reject, take back, hand over, break the glass and review that."""

import html
from collections.abc import Callable, Mapping
from typing import Any, Literal

import structlog
from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.blocks import card, form, replies
from bot.slack.blocks import text as t
from bot.slack.door import SlackDoor, pressed
from infra.canonical import digest
from playbooks.deciding import FormVerb
from playbooks.glass import REASON, TARGET
from playbooks.refusals import Mistyped, SituationChanged

log = structlog.get_logger()

MOST_TYPED = 3000
"""Characters of a field that are looked at: Slack's own forms let nobody type more."""
Verdict = Literal["Approve", "Reject"]


class ApprovalListeners:
    """A click is one transaction; who may not decide is told so privately."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.action(card.APPROVE)(self.approved)
        app.action(card.REJECT)(self.rejecting)
        app.action(card.REVOKE)(self.revoked)
        app.action(card.DELEGATE)(self.delegating)
        app.action(card.BREAK_GLASS)(self.breaking)
        app.action(card.REVIEW)(self.reviewing)
        app.view(form.CONFIRM)(self.confirmed)
        app.view(form.REJECT)(self.rejected)
        app.view(form.DELEGATE)(self.delegated)
        app.view(form.BREAK_GLASS)(self.broken)
        app.view(form.REVIEW)(self.reviewed)

    def approved(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Approve* was pressed; where something has happened since the card was painted, ask once more."""
        request_id, _, seen = pressed(body).partition(".")

        def decide() -> str | None:
            try:
                self._approve(body, request_id[:64], seen)
            except SituationChanged as changed:
                view = form.confirm_form(request_id[:64], changed.mark, changed.news)
                return None if self._door.opened(client, body, view) else t.escape(changed)
            return None

        self._door.whisper(body, self._door.attempt(decide))
        ack()

    def confirmed(self, ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        """*Approve anyway* was pressed; where yet more has happened, the form says so."""
        carried = form.metadata(view)
        request_id = _metadata(view)
        news: list[SituationChanged] = []

        def decide() -> str | None:
            try:
                self._approve(body, request_id, carried.get("seen", ""))
            except SituationChanged as changed:
                news.append(changed)
            return None

        text = self._door.attempt(decide)
        if news:
            ack(response_action="update", view=form.confirm_form(request_id, news[0].mark, news[0].news))
        elif text:
            ack(response_action="update", view=form.notice("Not approved", text))
        else:
            ack()

    def _approve(self, body: dict[str, Any], request_id: str, seen: str) -> None:
        by = self._door.identity(body)
        self._door.operations.decide(request_id, by, "Approve", key=_key_of(body), seen=seen)

    def rejecting(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Reject* was pressed: ask why; where no form can be opened, it counts at once."""
        request_id = _request_of(pressed(body))

        def ask() -> str | None:
            self._door.operations.check(request_id, self._door.identity(body), "Reject")
            request = self._door.queries.approval(request_id)
            view = form.reject_form(request_id, request.message or request.title, needs_reason=request.needs_reason)
            if self._door.opened(client, body, view):
                return None
            log.warning("the rejection counts at once", request_id=request_id)
            return self._decide(body, request_id, "Reject", "")

        self._door.whisper(body, self._door.attempt(ask))
        ack()

    def rejected(self, ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        """The reason came back."""
        _answer(ack, "reason", self._decide(body, _metadata(view), "Reject", _typed(view, "reason")))

    def revoked(self, ack: Ack, body: dict[str, Any]) -> None:
        """*Take back my answer* was pressed."""
        request_id = _request_of(pressed(body))
        self._door.whisper(
            body, self._do(body, lambda by: self._door.operations.revoke(request_id, by, key=_key_of(body)))
        )
        ack()

    def delegating(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Hand over* was pressed: ask to whom."""
        self._open(body, client, "Delegate", lambda each: form.delegate_form(each.id, each.message or each.title))
        ack()

    def delegated(self, ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        """Somebody was chosen."""
        chosen = str((_field(view, "to") or {}).get("selected_user") or "")

        def hand_over(by: Any) -> None:
            to = self._door.identify(body, chosen)
            self._door.operations.delegate(_metadata(view), by, to)

        _answer(ack, "to", self._do(body, hand_over))

    def breaking(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Break glass* was pressed: ask for a reason and the name of the target."""

        def view(approval: Any) -> dict[str, Any]:
            targets = self._door.queries.execution(approval.execution_id).targets
            named = targets or (approval.playbook or approval.title,)
            return form.break_glass_form(approval.id, approval.message or approval.title, named)

        self._open(body, client, "BreakGlass", view)
        ack()

    def broken(self, ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        """The reason and the name came back; what is wrong with either is said beside it."""
        problems: dict[str, str] = {}

        def break_it(by: Any) -> None:
            try:
                self._door.operations.break_glass(_metadata(view), by, _typed(view, REASON), _typed(view, TARGET))
            except Mistyped as mistyped:
                problems.update(mistyped.problems)

        text = self._do(body, break_it)
        if problems:
            ack(response_action="errors", errors=problems)
        else:
            _answer(ack, REASON, text)

    def reviewing(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Review* was pressed: ask what the review has found."""
        self._open(body, client, "Review", lambda each: form.review_form(each.id, card.to_review(each)))
        ack()

    def reviewed(self, ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        """What the review has found came back."""
        note = _typed(view, form.NOTE)
        text = self._do(body, lambda by: self._door.operations.review(_metadata(view), by, note))
        _answer(ack, form.NOTE, text)

    def _open(
        self, body: dict[str, Any], client: WebClient, verb: FormVerb, view: Callable[[Any], Mapping[str, Any]]
    ) -> None:
        """Open a form about a question, for somebody who could do what it is for; else say why not."""
        request_id = _request_of(pressed(body))

        def ask() -> str | None:
            self._door.operations.check(request_id, self._door.identity(body), verb)
            is_open = self._door.opened(client, body, view(self._door.queries.approval(request_id)))
            return None if is_open else replies.NO_FORM

        self._door.whisper(body, self._door.attempt(ask))

    def _decide(self, body: dict[str, Any], request_id: str, verdict: Verdict, comment: str) -> str | None:
        return self._do(
            body, lambda by: self._door.operations.decide(request_id, by, verdict, comment, key=_key_of(body))
        )

    def _do(self, body: dict[str, Any], what: Callable[[Any], object]) -> str | None:
        """Do it as whoever clicked; what to say where it was not done."""

        def done() -> None:
            what(self._door.identity(body))

        return self._door.attempt(done)


def _request_of(value: str) -> str:
    """The request's id in the value of a button, without what tells which card it was pressed on."""
    return value.partition(".")[0][:64]


def _key_of(body: Mapping[str, Any]) -> str:
    """What tells a click, or a form sent back, from its repetition."""
    view, actions = body.get("view"), body.get("actions")
    if isinstance(view, Mapping) and view.get("id"):
        said = [view.get("id"), view.get("hash")]
    else:
        first = actions[0] if isinstance(actions, list) and actions else {}
        said = [body.get("trigger_id"), first.get("action_ts"), first.get("action_id")]
    return digest(said)[:24] if any(said) else ""


def _metadata(view: Mapping[str, Any]) -> str:
    return form.metadata(view).get("request_id", "")[:64]


def _field(view: Mapping[str, Any], block_id: str) -> Mapping[str, Any] | None:
    values = (view.get("state") or {}).get("values") or {}
    found = (values.get(block_id) or {}).get("value")
    return found if isinstance(found, Mapping) else None


def _typed(view: Mapping[str, Any], block_id: str) -> str:
    return str((_field(view, block_id) or {}).get("value") or "")[:MOST_TYPED]


def _answer(ack: Ack, block_id: str, text: str | None) -> None:
    if text:
        # Errors beside a field are plain text, where entities would be read as they stand.
        ack(response_action="errors", errors={block_id: t.cut(html.unescape(text), 1900)})
    else:
        ack()
