"""What a verb may answer instead of doing it: each message is a sentence for the person who asked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from audit.events import Event
from engine.document import Problem

if TYPE_CHECKING:
    from playbooks.guard_store import HeldWish
    from playbooks.locks import Holder


class Refused(Exception):
    """The request is not allowed or makes no sense; the message is a sentence for the person who asked."""


class UnknownPlaybook(Refused):
    """There is no playbook of that name; `suggestion` is the nearest one, or ""."""

    def __init__(self, name: str, suggestion: str = "") -> None:
        hint = f" Did you mean `{suggestion}`?" if suggestion else " `list` shows what there is."
        super().__init__(f"There is no playbook `{name}`.{hint}")
        self.suggestion = suggestion


class NotAllowed(Refused):
    """The person may not do this; it was audited."""


class Denied(NotAllowed):
    """No rule lets the person do this; `event` says so in the trail."""

    def __init__(self, sentence: str, event: Event) -> None:
        super().__init__(sentence)
        self.event = event


class HeldBack(Refused):
    """Something holds the start back: a pause, a freeze, a budget, another execution; `event` is for the trail."""

    def __init__(self, sentence: str, event: Event) -> None:
        super().__init__(sentence)
        self.event = event

    @property
    def why(self) -> str:
        """paused, frozen, protected, budget or busy."""
        return str(self.event.data.get("why"))


class Busy(HeldBack):
    """Another execution works on the resource: `holder`. `wish` is the start that can still be taken up."""

    def __init__(self, sentence: str, event: Event, *, holder: "Holder", wish: "HeldWish | None") -> None:
        super().__init__(sentence, event)
        self.holder, self.wish = holder, wish


class ParametersRefused(Refused):
    """Values are missing or break their rules; `problems` maps a parameter's name to its sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


class NoLongerOpen(Refused):
    """The question was answered, expired or withdrawn before this answer came."""


class SituationChanged(Refused):
    """Something happened since the question was painted: `news` in words, `mark` says that one has seen it."""

    def __init__(self, news: tuple[str, ...], mark: str) -> None:
        self.sentence = f"Nothing was decided yet, for something has happened: {'; '.join(news)}."
        super().__init__(f"{self.sentence} Say it again.")
        self.news, self.mark = news, mark


class Mistyped(Refused):
    """What was typed does not break the glass; `problems` maps a field, reason or target, to its sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


class InvalidLibrary(Exception):
    """A playbook folder is wrong; `problems` say where and what would be right."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
