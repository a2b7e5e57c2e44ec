"""What is said about who is not to be asked for a while. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from bot.slack.blocks import text as t

if TYPE_CHECKING:
    from playbooks.absences import Away

BACK: Final = "Welcome back: you are asked again like everybody else."


def everybody(found: Iterable["Away"], command: str) -> str:
    """Who is away, and how one says that one is."""
    told = "\n".join(_line(each) for each in found) or "Nobody is away."
    return f"{told}\n`{command} away until 2026-12-01 [from 2026-11-28] [for @somebody]` says that you are."


def gone(away: "Away", since: datetime | None, instead: str, command: str) -> str:
    """Somebody has said that they are away; `instead` is the name of who stands in."""
    begins = f", from {since:%F %H:%M} UTC on" if since else ""
    told = f"You are {away.words}{begins}: meanwhile you are not asked, and nobody counts on you."
    name = t.line(instead, 100)
    stands_in = f" {name} is asked in your place where the playbook lets you hand over to them." if name else ""
    return f"{told}{stands_in} `{command} back` ends it."


def until_when(command: str) -> str:
    """The end was left out."""
    return f"Say until when: `{command} away until 2026-12-01`."


def unplaced(word: str, command: str) -> str:
    """A word that fits nowhere."""
    usage = f"`{command} away until 2026-12-01 [from 2026-11-28] [for @somebody]`"
    return f"I cannot place `{t.cut(word, 60)}` there. It is {usage}."


def no_stand_in(user: str) -> str:
    """Who is to stand in is nobody of this workspace."""
    return f"`{t.cut(user, 60)}` cannot stand in: name somebody of this workspace as @name."


def _line(away: "Away") -> str:
    instead = f", {t.line(away.instead, 100)} stands in" if away.instead else ""
    return f"• {t.line(away.name, 100)} is {away.words}, from {away.since:%F %H:%M} on{instead}"
