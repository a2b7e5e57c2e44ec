"""One sentence per event: how a timeline, a thread and the terminal tell what happened. Pure."""

from collections.abc import Callable, Mapping

from audit.events import Event
from infra.canonical import Json

Data = Mapping[str, Json]


def _short(value: Json, most: int = 300) -> str:
    text = str(value or "")
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _ended(data: Data) -> str:
    text = f"{data.get('step')}: {data.get('status')}"
    return f"{text}. {_short(data.get('message'))}" if data.get("message") else text


def _called(data: Data) -> str:
    on = f" on {data['resource']}" if data.get("resource") else ""
    how = f" → {data['error']}" if data.get("error") else ""
    request = f" (request {data['request_id']})" if data.get("request_id") else ""
    return f"called {data.get('service')}:{data.get('operation')}{on}{how}{request}"


def _decided(data: Data) -> str:
    verdict = "approved" if data.get("verdict") == "Approve" else "rejected"
    comment = f': "{_short(data["comment"])}"' if data.get("comment") else ""
    return f"{verdict} step {data.get('step')}{comment}"


_DECIDING: Mapping[str, str] = {
    "Approve": "approve",
    "Reject": "reject",
    "Revoke": "take back an answer",
    "Delegate": "hand over an answer",
    "BreakGlass": "break the glass",
    "Review": "review a break-glass",
}


def _not_decided(data: Data) -> str:
    """Only whoever has no right to it "may not": others pressed twice, came too late or left something out."""
    verdict, reason = str(data.get("verdict")), _short(data.get("reason"))
    what = _DECIDING.get(verdict, verdict)
    if data.get("has_right") is False:
        return f"may not {what}: {reason}"
    return f"tried to {what}, not {'counted' if verdict in ('Approve', 'Reject') else 'done'}: {reason}"


def _signalled(data: Data) -> str:
    """By its effect where the event says which step; older ones do not."""
    signal, step = str(data.get("signal")), data.get("step")
    if signal == "Resume" and step == "":
        return "let the remaining steps run without asking"
    verb = {"StartStep": "started", "Resume": "resumed", "StopStep": "stopped"}.get(signal)
    return f"{verb} step {step}" if verb and step else f"signal {signal}"


def _workspace(data: Data) -> str:
    return f"{_short(data.get('name'), 80)} ({data.get('workspace')})"


def _names(value: Json) -> str:
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value or "")


_SENTENCES: Mapping[str, Callable[[Data], str]] = {
    "bot.started": lambda _: "the bot came up",
    "alarm.received": lambda data: f"alarm {data.get('name')} is {data.get('state')}: {_short(data.get('reason'))}",
    "alarm.acknowledged": lambda data: f"looks after alarm {data.get('name')}",
    "alarm.muted": lambda data: f"muted alarm {data.get('name')} until {_short(data.get('until'), 16)} UTC",
    "alarm.unmuted": lambda data: f"unmuted alarm {data.get('name')}",
    "alarm.refused": lambda data: f"an alarm message was refused: {_short(data.get('reason'))}",
    "playbook.suggested": lambda data: f"suggested {data.get('playbooks')}",
    "playbook.suppressed": lambda data: f"started nothing: {_short(data.get('why'))}",
    "execution.started": lambda data: f"started {data.get('document')} in {data.get('region')}",
    "execution.accepted": lambda data: f"AWS accepted it as {data.get('aws_id')}",
    "execution.adopted": lambda data: f"started on AWS as {data.get('aws_id')}, and followed from here on",
    "execution.unobserved": lambda data: _short(data.get("reason")) or "AWS does not answer about it",
    "execution.observed": lambda _: "AWS answers again",
    "execution.held": lambda data: f"waits for somebody to start {data.get('step') or 'nothing more: all is done'}",
    "execution.cancelling": lambda _: "asked for it to stop",
    "execution.ended": lambda data: f"ended: {data.get('status')}. {_short(data.get('message'))}".rstrip(". "),
    "step.started": lambda data: f"{data.get('step')}: began ({data.get('action')}, attempt {data.get('attempt')})",
    "step.waiting": lambda data: f"{data.get('step')}: waits for people",
    "step.retried": lambda data: (
        f"{data.get('step')}: attempt {data.get('attempt')} failed: {_short(data.get('message'))}"
    ),
    "step.recovered": lambda data: f"{data.get('step')}: found half done after a restart; looking before repeating",
    "step.ended": _ended,
    "step.skipped": lambda data: f"skipped step {data.get('step')}",
    "signal.received": _signalled,
    "signal.accepted": lambda data: f"AWS took {data.get('signal')} for step {data.get('step')}",
    "signal.refused": lambda data: f"signal {data.get('signal')} was refused: {_short(data.get('reason'))}",
    "aws.called": _called,
    "approval.asked": lambda data: f"{data.get('step')}: asked for {data.get('minimum')} approval(s)",
    "approval.decided": _decided,
    "approval.refused": _not_decided,
    "approval.concluded": lambda data: f"{data.get('step')}: {data.get('status')}",
    "approval.voided": lambda data: f"{data.get('step')}: asked anew, because {_short(data.get('because'))}",
    "approval.reminded": lambda data: f"{data.get('step')}: reminded those who may answer",
    "approval.escalated": lambda data: f"{data.get('step')}: now {_names(data.get('to'))} may answer, too",
    "approval.looked": lambda data: (
        f"{data.get('step')}: something has happened since people were asked"
        if data.get("is_news")
        else f"{data.get('step')}: looked whether it is still needed"
    ),
    "approval.revoked": lambda data: f"took back the answer to step {data.get('step')}",
    "approval.delegated": lambda data: f"handed step {data.get('step')} over to {data.get('name') or data.get('to')}",
    "approval.held": lambda data: f"{data.get('step')}: waits, {_short(data.get('because'))}",
    "approval.invalidated": lambda data: (
        f"{data.get('step')}: the answer of {data.get('whose')} no longer counts: {_short(data.get('because'))}"
    ),
    "breakglass.used": lambda data: f'broke the glass for {data.get("target")}: "{_short(data.get("reason"))}"',
    "breakglass.reminded": lambda data: f"a break-glass of {data.get('who')} waits for its review",
    "breakglass.reviewed": lambda data: f'reviewed the break-glass: "{_short(data.get("note"))}"',
    "breakglass.reported": lambda data: f"told of {data.get('count')} break-glass of the week",
    "approval.announced": lambda data: f"asked in {data.get('channel')}",
    "document.created": lambda data: f"created document {data.get('name')} ({_short(data.get('sha256'), 13)})",
    "document.updated": lambda data: f"made version {data.get('version')} of document {data.get('name')}",
    "document.default_changed": lambda data: f"made version {data.get('version')} the default of {data.get('name')}",
    "document.deleted": lambda data: f"deleted document {data.get('name')} {_short(data.get('version'))}".rstrip(),
    "document.shared": lambda data: f"shared document {data.get('name')} with {data.get('accounts') or 'nobody'}",
    "resource.tagged": lambda data: f"tagged {data.get('kind')} {data.get('id')} with {data.get('tags')}",
    "resource.untagged": lambda data: f"took tags {data.get('keys')} off {data.get('kind')} {data.get('id')}",
    "access.learned": lambda data: f"would be refused by the rules being tried out: {_short(data.get('reason'))}",
    "start.refused": lambda data: f"asked to {_short(data.get('what'))}: held back. {_short(data.get('reason'))}",
    "freeze.overridden": lambda data: f'overrode the freeze {data.get("freeze")}: "{_short(data.get("reason"))}"',
    "lock.watched": lambda _: "wants to be told when it is over",
    "lock.taken_over": lambda data: f"took over {_short(data.get('resources'))} for {data.get('playbook')}",
    "lock.released": lambda data: f"{_short(data.get('resources')) or 'nothing'}: free again",
    "person.away": lambda data: f"{_short(data.get('name'))} is away until {_short(data.get('until'))}",
    "person.back": lambda data: f"{_short(data.get('name'))} is back",
    "bot.paused": lambda data: f'paused everything: "{_short(data.get("reason"))}"',
    "bot.resumed": lambda _: "let everything go on",
    "execution.paused": lambda data: f"the next step does not begin: {_short(data.get('because'))}",
    "workspace.installed": lambda data: f"installed the bot in {_workspace(data)}",
    "workspace.refused": lambda data: f"may not install the bot in {_workspace(data)}: {_short(data.get('reason'))}",
    "workspace.removed": lambda data: f"{_workspace(data)} is not served any more: {_short(data.get('reason'))}",
    "workspace.opened": lambda data: f"{_workspace(data)} opened the bot to {_short(data.get('teams'))}",
    "workspace.closed": lambda data: f"{_workspace(data)} closed the bot to {_short(data.get('teams'))}",
    "workspace.token_rotated": lambda data: f"exchanged the token of {_workspace(data)}",
    "workspace.token_lost": lambda data: (
        f"the token of {_workspace(data)} cannot be exchanged: {_short(data.get('reason'))}"
    ),
    "access.refused": lambda data: f"was refused: {_short(data.get('what'))}",
    "request.refused": lambda data: f"a request was refused: {_short(data.get('reason'))}",
}


def sentence(event: Event) -> str:
    """What happened, in words; the actor is told beside it."""
    tell = _SENTENCES.get(event.name)
    return tell(event.data) if tell else event.name
