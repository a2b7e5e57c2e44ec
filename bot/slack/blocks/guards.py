"""What is said where something is held back: who has the resource, everything paused, why somebody may not. Pure."""

from collections.abc import Mapping
from typing import Final

from bot.slack.blocks import text as t
from bot.slack.blocks.text import Block
from infra.canonical import Json
from playbooks.access_words import Why, headline, lines
from playbooks.freezes import Pause
from playbooks.refusals import Busy

NOTIFY: Final = "guard_notify"
TAKE_OVER: Final = "guard_take_over"
PAUSE: Final = "guard_pause"
RESUME: Final = "guard_resume"
IN_USE: Final = "The resource is in use"
GUESTS_ASK_ABOUT_THEMSELVES: Final = "Guests may ask about themselves only."
MARKS: Final = {
    "decides": ":point_right:",
    "matches": ":small_blue_diamond:",
    "not": ":white_small_square:",
    "info": ":information_source:",
}


def busy(refused: Busy, command: str) -> list[Block]:
    """Who has the resource, and what can be done about it."""
    buttons = [t.button(NOTIFY, "Notify me", refused.holder.execution_id)]
    if refused.wish is not None:
        ask = t.confirmation(
            "Take over?",
            f"This stops {t.cut(refused.holder.title, 80)} ({refused.holder.execution_id[:8]}). What it has done stays "
            "done. Yours starts as soon as it is over. Both are noted.",
            "Take over",
        )
        buttons.append(t.button(TAKE_OVER, "Take over", refused.wish.id, style="danger", confirm=ask))
    return [
        t.section("busy", f":lock: {t.line(refused, 1500)}"),
        t.actions("busy-actions", *buttons),
        t.context("busy-typed", busy_commands(refused, command)),
    ]


def busy_text(refused: Busy, command: str) -> str:
    """The same where no button can stand."""
    return f"{t.line(refused, 1500)} {busy_commands(refused, command)}"


def busy_commands(refused: Busy, command: str) -> str:
    """The buttons as commands."""
    notify = f"`{command} notify {refused.holder.execution_id[:8]}` tells you when it is over"
    return f"{notify}; `{command} takeover {refused.wish.id}` takes over." if refused.wish else f"{notify}."


def pause_state(pause: Pause | None, command: str) -> list[Block]:
    """Whether everything is paused, and the big red button."""
    if pause is not None:
        ask = t.confirmation("Resume everything?", "Alarms may start playbooks again, and people, too.", "Resume")
        return [
            t.section("pause", f":octagonal_sign: {t.line(pause.sentence, 1500)}"),
            t.actions("pause-actions", t.button(RESUME, "Resume", "all", style="primary", confirm=ask)),
        ]
    ask = t.confirmation(
        "Pause everything?",
        "Nothing starts, by itself or by hand, and no question is approved. A step that runs ends, the next one waits.",
        "Pause everything",
    )
    return [
        t.section("pause", f"Nothing is paused. With a reason: `{command} pause REASON`."),
        t.actions("pause-actions", t.button(PAUSE, "Pause everything", "all", style="danger", confirm=ask)),
    ]


def may_do_nothing(user: str, told: str) -> str:
    """Somebody is a stranger; `told` is what they would hear."""
    return f"`{user}` may do nothing here. To them I would say: {told}"


def why(found: Why, who: str) -> str:
    """The whole explanation."""
    told = [f"{MARKS[mark]} {t.line(text, 400)}" for mark, text in lines(found)]
    return "\n".join([f"*{t.line(headline(found, who), 600)}*", *told])


def announced(name: str, data: Mapping[str, Json], who: str, command: str) -> str:
    """What everybody is told of the switch."""
    if name == "bot.resumed":
        return f":arrow_forward: {who} let everything go on: playbooks start again."
    reason = t.line(str(data.get("reason") or ""), 500)
    return (
        f":octagonal_sign: {who} paused everything{f': {reason}' if reason else ''}. Nothing starts and nothing is "
        f"approved until an admin resumes it (`{command} pause off`). A step that runs ends, the "
        "next one waits. Stopping and rejecting work as always."
    )


def freed(data: Mapping[str, Json]) -> str:
    """What those are told who wanted to know."""
    told = data.get("tell")
    names = [t.person(str(each)) for each in told] if isinstance(told, list) else []
    resources = data.get("resources")
    free = ", ".join(t.code(str(each)) for each in resources) if isinstance(resources, list) and resources else "It"
    status = t.line(str(data.get("status") or "over"), 40)
    return f":unlock: {' '.join(names)} {free} is free: this run ended ({status})."
