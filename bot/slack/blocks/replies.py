"""What listeners answer in a sentence, where it is no card, form or list. Pure.

The words of the Slack door stand below `blocks`, for whoever wants it in another language.
"""

from typing import Final

from bot.slack.blocks import text as t

NO_FORM: Final = "No form could be opened; please try again."
NO_PREVIEW: Final = "No preview could be opened; please try again."
NO_PREVIEWS: Final = "There are no previews here: the bot has no way to AWS."
NO_CARE: Final = "Alarms cannot be acknowledged or muted here."
NOTHING_TO_RUN: Final = "There is no playbook that you may run. Ask the people who set me up."
HAPPENED: Final = "What happened, in order:"
NOT_OURS: Final = "This app does not work for your workspace."
SEEN_BEFORE: Final = "This request was seen before; nothing was done again."
OUT_OF_DATE: Final = "This button is out of date, so nothing was done. `/playbook status` shows what runs now."
DATABASE_AWAY: Final = (
    "My database does not answer, so I cannot say that this counted. Please try again in a moment: it counts once."
)
FILL_IN: Final = "Fill in the form"
AS_IT_STANDS: Final = "as you typed it"
EVERYTHING_GOES_ON: Final = "Everything goes on."


def ended_before(execution_id: str) -> str:
    """*Run* of a card as it was before its run ended."""
    return f"{t.code(execution_id[:8])}, which this button started, has ended; the card is about to offer it anew."


def defect(reference: str) -> str:
    """What a person hears of a defect."""
    return f"Something went wrong on my side. Nothing was done that is not on a card. Reference `{reference}`."


def which(command: str, usage: str) -> str:
    """Something was left out."""
    return f"Say which one: `{command} {usage}`."


def unknown_verb(verb: str, command: str, suggestion: str) -> str:
    """Nobody knows this verb."""
    hint = f" Did you mean `{command} {suggestion}`?" if suggestion else f" Try `{command} help`."
    return f"I do not know {t.code(t.cut(verb, 60))}.{hint}"


def unplaced(word: str) -> str:
    """A word that fits no parameter."""
    return f"I do not know what `{t.cut(word, 100)}` is. Please say it as `parameter=value`."


def started(title: str, execution_id: str, command: str, *, asks: bool) -> str:
    """An execution has been started."""
    gate = " It asks for approval before it changes anything." if asks else ""
    told = f"Started *{t.line(title, 200)}* {t.code(execution_id[:8])}."
    return f"{told}{gate} The card follows; `{command} status {execution_id[:8]}` links to it."


def controlled(title: str, execution_id: str, *, stops: bool) -> str:
    """An execution was told to stop, or to go on."""
    return f"{t.line(title, 200)} {t.code(execution_id[:8])} {'is asked to stop' if stops else 'goes on'}."


def retried(execution_id: str) -> str:
    """A failed execution is gone on with."""
    return f"It goes on as {t.code(execution_id[:8])}. Its own card follows; whoever had to agree is asked again."


def taken_over(title: str, execution_id: str, new_id: str) -> str:
    """Somebody's execution makes room for another one."""
    stopped = f"{t.line(title, 200)} {t.code(execution_id[:8])}"
    if new_id:
        return f"{stopped} is over, and yours has started: {t.code(new_id[:8])}."
    return f"{stopped} is being stopped. Yours starts as soon as its running step is over."


def paused(command: str) -> str:
    """Everything is paused."""
    return f"Everything is paused. `{command} pause off` resumes it."


def posted(execution_id: str) -> str:
    """A story stands in its thread."""
    return f"The story of {t.code(execution_id[:8])} is posted in the thread of its card, with *Export* below it."


def not_posted(execution_id: str, command: str) -> str:
    """A story has no thread."""
    return f"It has no card here, so there is no thread to post it in. `{command} audit {execution_id[:8]}`"


def not_listed(plural: str) -> str:
    """AWS was not asked yet what there is."""
    return f"AWS has not told its {plural} yet, so the id is typed."


def no_situation(error: object) -> str:
    """AWS cannot be asked what there is now."""
    return f"AWS does not tell what is there now: {t.line(error, 500)}"


def found(shown: int, fit: int) -> str:
    """The label of what a search has found."""
    return f"{shown} of {fit}: type more to find the others" if fit > shown else "Found"


def as_typed(*, is_whole: bool) -> str:
    """The label of what was typed itself."""
    why = "Not found in AWS" if is_whole else "AWS did not tell all there is"
    return f"{why}; take it as it is"


def not_started(title: str, problems: list[str]) -> str:
    """A mention lacks something."""
    lines = "\n".join(f"• {t.line(each, 300)}" for each in problems)
    return f"*{t.line(title, 200)}* was not started:\n{lines}"


def came_back(since: str, *, running: int, interrupted: int, asking: int) -> str:
    """The first message after a restart: what was missed and caught up."""
    parts = [f":arrows_counterclockwise: I was away since about {since} UTC and am back."]
    parts.append(f"{running} run{'s' if running != 1 else ''} taken up again")
    if interrupted:
        parts.append(f"{interrupted} of them had a step in flight, which I look at before I repeat anything")
    if asking:
        parts.append(f"{asking} question{'s' if asking != 1 else ''} still waiting for an answer")
    return f"{parts[0]} {', '.join(parts[1:])}. Buttons work as before."


def open_quotation(rest: object) -> str:
    """A command line with a quotation mark that is not closed."""
    return f"A quotation mark is open before: {rest}. Please close it and try again."


def given_twice(name: str) -> str:
    """A command line that says two things."""
    return f"{name} is given twice. Please say which value it shall have."
