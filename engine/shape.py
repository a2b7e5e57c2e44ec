"""The shape of a document: which keys there are, and reading values leniently as AWS does. Pure."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from engine.document import ABORT, Path, Problem
from engine.source import Source
from infra.canonical import Json
from infra.nearest import nearest

TOP_KEYS: Final = (
    "schemaVersion", "description", "assumeRole", "parameters", "variables", "mainSteps", "outputs", "files",
    "templateInformation", "executableRunBooks", "emergencyChange", "autoApprovable",
)  # fmt: skip
PARAMETER_KEYS: Final = (
    "type", "description", "default", "allowedValues", "allowedPattern", "minChars", "maxChars", "minItems",
    "maxItems", "displayType", "interpolationType",
)  # fmt: skip
STEP_KEYS: Final = (
    "name", "action", "description", "inputs", "maxAttempts", "timeoutSeconds", "onFailure", "onCancel", "isCritical",
    "isEnd", "nextStep", "outputs",
)  # fmt: skip
VARIABLE_TYPES: Final = ("String", "StringList", "Integer", "Boolean", "StringMap", "MapList")
_RESOURCES: Final = ("AWS::EC2::Instance::Id", "AWS::S3::Bucket::Name", "AWS::IAM::Role::Arn")
PARAMETER_TYPES: Final = (*VARIABLE_TYPES, *_RESOURCES, *(f"List<{name}>" for name in _RESOURCES))
ACTION_NAME: Final = re.compile(r"aws:[a-zA-Z]{3,40}")


def suggestion(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """` Did you mean "…"?`, or nothing when no known name is near."""
    names = list(known)
    folded = {each.lower(): each for each in names}
    near = folded.get(name.lower()) or nearest(name, names, cutoff=cutoff)
    return f' Did you mean "{near}"?' if near else ""


def as_boolean(value: Json) -> bool | None:
    """A Boolean, or its text; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def as_integer(value: Json) -> int | None:
    """An integer, or its text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,18}\s*", value) else None


def kind_of(value: Json) -> str:
    """What a person would call the value."""
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else shown(value)


def shown(value: Json) -> str:
    """A value in a message, short."""
    text = f'"{value}"' if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"


class Reading:
    """A source being read: collects problems with their places."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def complain(self, code: str, message: str, path: Path) -> None:
        """Note a problem."""
        self.problems.append(self.source.problem(code, message, path))

    def known_keys(self, found: Mapping[str, Json], known: Collection[str], path: Path) -> None:
        """Complain of every key that the schema does not have."""
        for key in found:
            if key not in known:
                self.complain("KEY001", f'Unknown property "{key}".{suggestion(key, known)}', (*path, key))

    def map_at(self, value: Json, path: Path) -> dict[str, Json]:
        """A map, or nothing; anything else is a problem."""
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self.complain("KEY002", f'"{path[-1]}" must be a map (name: value), not {kind_of(value)}', path)
        return {}

    def integer_at(self, found: Mapping[str, Json], key: str, path: Path) -> int | None:
        """An integer or its text, or nothing."""
        value = found.get(key)
        if value is None:
            return None
        number = as_integer(value)
        if number is None:
            self.complain("KEY003", f'"{key}" must be a whole number, not {shown(value)}', (*path, key))
        return number

    def boolean_at(self, found: Mapping[str, Json], key: str, path: Path) -> bool | None:
        """A Boolean or its text, or nothing."""
        value = found.get(key)
        if value is None:
            return None
        boolean = as_boolean(value)
        if boolean is None:
            self.complain("KEY004", f'"{key}" must be true or false, not {shown(value)}', (*path, key))
        return boolean

    def text_at(self, found: Mapping[str, Json], key: str, path: Path) -> str:
        """A text (numbers and Booleans count as theirs), or ""."""
        value = found.get(key)
        if isinstance(value, (dict, list)):
            self.complain("KEY005", f'"{key}" must be text, not {kind_of(value)}', (*path, key))
            return ""
        return "" if value is None else value if isinstance(value, str) else str(value)

    def keyword_at(
        self, found: Mapping[str, Json], key: str, path: Path, keywords: Collection[str], *, fallback: str = ABORT
    ) -> str:
        """`Abort`, `Continue` (in any case) or `step:NAME`."""
        value = found.get(key)
        if value is None:
            return fallback
        text = str(value).strip()
        known = {keyword.lower(): keyword for keyword in keywords}
        if text.lower() in known:
            return known[text.lower()]
        if text[:5].lower() == "step:" and text[5:].strip():
            return f"step:{text[5:].strip()}"
        choices = " or ".join([*keywords, "step:NAME"])
        self.complain("STP011", f'"{key}" must be {choices}, not {shown(value)}', (*path, key))
        return fallback
