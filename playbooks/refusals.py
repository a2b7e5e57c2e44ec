"""What a verb may answer instead of doing it: each message is a sentence for the person who asked."""

from collections.abc import Mapping

from engine.document import Problem


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


class ParametersRefused(Refused):
    """Values are missing or break their rules; `problems` maps a parameter's name to its sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


class NoLongerOpen(Refused):
    """The question was answered, expired or withdrawn before this answer came."""


class TargetMistyped(Refused):
    """What was typed is not the name of what the execution works on; the glass stays whole."""


class InvalidLibrary(Exception):
    """A playbook folder is wrong; `problems` say where and what would be right."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
