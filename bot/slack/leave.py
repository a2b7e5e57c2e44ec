"""`/playbook away until DAY [from DAY] [for @somebody]` and `/playbook back`: who is not to be asked for a while."""

from dataclasses import dataclass

from bot.slack.blocks import text as t
from bot.slack.commandline import Typed
from bot.slack.door import SlackDoor
from bot.slack.identity import Stranger
from playbooks.absences import Away, moment_of
from playbooks.people import Identity
from playbooks.refusals import Refused


@dataclass(frozen=True)
class LeaveVerbs:
    """Each is one transaction, for oneself; admins say it of others at the terminal."""

    door: SlackDoor

    def answer(self, wanted: Typed, by: Identity) -> str:
        """What a line is answered. Raises Refused."""
        command = self.door.command
        if wanted.verb == "back":
            self.door.operations.come_back(by, by=by)
            return "Welcome back: you are asked again like everybody else."
        if not wanted.words:
            found = self.door.operations.absences.known()
            told = "\n".join(self._line(each) for each in found) or "Nobody is away."
            return f"{told}\n`{command} away until 2026-12-01 [from 2026-11-28] [for @somebody]` says that you are."
        said = self._said(wanted)
        if "until" not in said:
            raise Refused(f"Say until when: `{command} away until 2026-12-01`.")
        since = moment_of(said["from"]) if "from" in said else None
        other = self._other(said["for"]) if "for" in said else None
        until = moment_of(said["until"])
        away = self.door.operations.leave(by, until, by=by, since=since, instead=other.id if other else "")
        begins = f", from {away.since:%F %H:%M} UTC on" if since else ""
        told = f"You are {away.words}{begins}: meanwhile you are not asked, and nobody counts on you."
        name = t.line(other.name or other.id, 100) if other else ""
        stands_in = f" {name} is asked in your place where the playbook lets you hand over to them." if name else ""
        return f"{told}{stands_in} `{command} back` ends it."

    def _said(self, wanted: Typed) -> dict[str, str]:
        words, said = [*wanted.words], dict[str, str]()
        while words:
            name = {"instead": "for"}.get(words[0].lower(), words[0].lower())
            if name not in ("until", "from", "for") or len(words) < 2 or name in said:
                usage = f"`{self.door.command} away until 2026-12-01 [from 2026-11-28] [for @somebody]`"
                raise Refused(f"I cannot place `{t.cut(words[0], 60)}` there. It is {usage}.")
            said[name] = words[1]
            words = words[2:]
        return said

    def _other(self, user: str) -> Identity:
        """Who stands in."""
        try:
            return self.door.people.identify(user)
        except Stranger as stranger:
            raise Refused(
                f"`{t.cut(user, 60)}` cannot stand in: name somebody of this workspace as @name."
            ) from stranger

    @staticmethod
    def _line(away: Away) -> str:
        instead = f", {t.line(away.instead, 100)} stands in" if away.instead else ""
        return f"• {t.line(away.name, 100)} is {away.words}, from {away.since:%F %H:%M} on{instead}"
