"""`/playbook away until DAY [from DAY] [for @somebody]` and `/playbook back`: who is not to be asked for a while."""

from dataclasses import dataclass

from bot.slack.blocks import leave as words
from bot.slack.commandline import Typed
from bot.slack.door import SlackDoor
from bot.slack.identity import Stranger
from playbooks.absences import moment_of
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
            return words.BACK
        if not wanted.words:
            return words.everybody(self.door.operations.absences.known(), command)
        said = self._said(wanted)
        if "until" not in said:
            raise Refused(words.until_when(command))
        since = moment_of(said["from"]) if "from" in said else None
        other = self._other(said["for"], by) if "for" in said else None
        until = moment_of(said["until"])
        away = self.door.operations.leave(by, until, by=by, since=since, instead=other.id if other else "")
        return words.gone(away, since, (other.name or other.id) if other else "", command)

    def _said(self, wanted: Typed) -> dict[str, str]:
        left, said = [*wanted.words], dict[str, str]()
        while left:
            name = {"instead": "for"}.get(left[0].lower(), left[0].lower())
            if name not in ("until", "from", "for") or len(left) < 2 or name in said:
                raise Refused(words.unplaced(left[0], self.door.command))
            said[name] = left[1]
            left = left[2:]
        return said

    def _other(self, user: str, by: Identity) -> Identity:
        """Who stands in: somebody of the workspace where that was said."""
        try:
            return self.door.people.attested(f"{by.account.rpartition('/')[0]}/{user}")
        except Stranger as stranger:
            raise Refused(words.no_stand_in(user)) from stranger
