"""The vocabulary of facts: every event name, what it means, and who can be its actor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from infra.canonical import Json

ActorKind = Literal["person", "alarm", "schedule", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. `id` is stable (`slack:T01/U01`, `terminal:lee`, an alarm ARN); `name` is for reading only."""

    kind: ActorKind
    id: str
    name: str = ""

    def __str__(self) -> str:
        """The id, with the name where there is one."""
        return f"{self.name} ({self.id})" if self.name else self.id


SYSTEM = Actor("system", "playbook-bot")


@dataclass(frozen=True, slots=True)
class Event:
    """One fact in the past tense. `subject` is the execution it belongs to, or the alarm, or "" for the bot itself."""

    name: str
    subject: str
    actor: Actor = SYSTEM
    data: Mapping[str, Json] = field(default_factory=dict)


EVENTS: Mapping[str, str] = {
    "bot.started": "the process came up; data says what it found unfinished",
    "alarm.received": "an alarm's state change arrived for the first time",
    "alarm.refused": "a message that claimed to be an alarm was not accepted",
    "alarm.acknowledged": "a person said that they look after an alarm",
    "alarm.muted": "a person had an alarm start nothing for a while",
    "alarm.unmuted": "a person ended a mute before its time",
    "playbook.suggested": "an alarm matched a playbook that a person must start",
    "playbook.suppressed": "an alarm matched a playbook, but something forbade the start",
    "execution.started": "an execution was accepted and recorded",
    "execution.accepted": "AWS accepted an execution and gave it an id of its own",
    "execution.adopted": "an execution that was started elsewhere is followed from now on",
    "execution.unobserved": "AWS does not answer about an execution, or refuses to",
    "execution.observed": "AWS answers about it again",
    "execution.held": "an execution that goes step by step waits for somebody to start the next one",
    "execution.paused": "everything is paused, so the next step of an execution does not begin",
    "execution.cancelling": "somebody asked for an execution to stop",
    "execution.ended": "an execution reached a final status",
    "step.started": "a step began; data has its resolved inputs",
    "step.waiting": "a step waits for a signal from people",
    "step.retried": "an attempt failed and another follows",
    "step.skipped": "a person who goes step by step left a step out",
    "step.recovered": "a step was found half done after a crash and is looked at before it is repeated",
    "step.ended": "a step reached a final status",
    "signal.received": "a signal was given to an execution",
    "signal.accepted": "AWS took a signal",
    "signal.refused": "a signal did not fit the state of the execution",
    "aws.called": "an AWS operation was called: service, operation, resource, request id, error",
    "approval.asked": "people were asked to agree",
    "approval.decided": "one person approved or rejected",
    "approval.refused": "an attempt to decide was not counted; has_right says whether that person could at all",
    "approval.concluded": "the question is closed: Approved, Rejected, TimedOut or Cancelled",
    "approval.voided": "a question, answered or not, was taken back because its plan has changed",
    "approval.reminded": "people were reminded of a question",
    "approval.escalated": "further people may answer, as the first did not",
    "approval.looked": "it was looked whether what people are asked about is still needed",
    "approval.revoked": "somebody took back their own answer",
    "approval.delegated": "somebody handed their answer to somebody else",
    "approval.held": "who agreed cannot be looked at once more now, or everything is paused, so the step waits",
    "approval.invalidated": "an answer no longer counts: who gave it may not decide any more",
    "breakglass.used": "somebody decided alone in an emergency",
    "breakglass.reminded": "a break-glass waits for its review",
    "breakglass.reviewed": "a break-glass was reviewed and closed",
    "breakglass.reported": "the week's break-glass was told",
    "person.away": "somebody is away for a while, and perhaps who stands in; the subject is `absences`",
    "person.back": "somebody is back before the time",
    "approval.announced": "the question was shown in a channel",
    "document.created": "a runbook was given a name",
    "document.updated": "a named runbook got a new version",
    "document.default_changed": "another version of a named runbook became its default",
    "document.deleted": "a named runbook, or one version of it, was forgotten",
    "document.shared": "a named runbook was shared with accounts, or no longer",
    "resource.tagged": "a document or an execution got tags",
    "resource.untagged": "a document or an execution lost tags",
    "access.refused": "a person asked for something they may not do",
    "access.learned": "a person did something that the access rules being tried out would have refused",
    "start.refused": "a start was held back: a pause, a freeze, a protected tag, the budget, or another execution",
    "freeze.overridden": "a person started something in a freeze window, and said why",
    "lock.watched": "a person asked to be told when an execution is over and its resources are free",
    "lock.taken_over": "a person stopped an execution to have its resources",
    "lock.released": "an execution is over and its resources are free",
    "bot.paused": "an admin paused everything: nothing starts or goes on past a question",
    "bot.resumed": "an admin let everything go on",
    "workspace.installed": "the app was installed in a workspace or an organisation, for the first time or again",
    "workspace.refused": "somebody tried to install the app where it may not be; its token was given back",
    "workspace.removed": "the app was uninstalled somewhere, or its token revoked",
    "workspace.opened": "workspaces of an organisation got access to the app",
    "workspace.closed": "workspaces of an organisation lost access to the app",
    "workspace.token_rotated": "a token was exchanged for a new one before its end",
    "workspace.token_lost": "Slack does not exchange a workspace's token any more; the app is to be installed anew",
    "request.refused": "a request at a door was not authentic or not for us",
}
"""name -> meaning. An event with a name that is not here is a programming error."""
