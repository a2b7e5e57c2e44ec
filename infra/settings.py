"""The settings: environment variables PLAYBOOK_BOT_… over playbook-bot.yaml; the only reader of the environment."""

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from infra.settings_file import FileInvalid, Place, SettingsFile, read
from infra.settings_model import EXPECTED, PersonEntry, Settings, contradictions

__all__ = ["PersonEntry", "Settings", "SettingsInvalid", "load"]

PREFIX = "PLAYBOOK_BOT_"
CONFIG = f"{PREFIX}CONFIG"
DEFAULT_FILE = Path("playbook-bot.yaml")
FROM_AWS = {"aws_region": ("AWS_REGION", "AWS_DEFAULT_REGION"), "aws_endpoint_url": ("AWS_ENDPOINT_URL",)}
"""Settings that fall back to the variables every AWS tool reads."""


class SettingsInvalid(Exception):
    """The settings cannot be used; `problems` are sentences that say where, what is wrong and what would be right."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load(environ: Mapping[str, str] | None = None, config: Path | None = None) -> Settings:
    """Read the settings. Raises SettingsInvalid with one sentence for each mistake."""
    sources = _gather(os.environ if environ is None else environ, config)
    problems = list(sources.problems)
    try:
        settings = Settings.model_validate(sources.values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        problems += [sources.sentence(tuple(detail["loc"]), detail["type"], detail["msg"]) for detail in details]
        raise SettingsInvalid(tuple(problems)) from None
    problems += [f"{sources.where((name,))} {text}" for name, text in contradictions(settings, given=sources.values)]
    if problems:
        raise SettingsInvalid(tuple(problems))
    return settings


@dataclass(frozen=True, slots=True)
class _Sources:
    """What the file and the environment say together, and where each value comes from."""

    file: SettingsFile
    variables: Mapping[str, str]
    """Setting -> the environment variable that gives it."""
    values: Mapping[str, Any]
    problems: tuple[str, ...]

    def where(self, place: Place) -> str:
        """The variable or the position in the file, for the beginning of a sentence."""
        if place and place[0] in self.variables:
            return f"{self.variables[str(place[0])]}:"
        return self.file.position(place) if self.file.path and place and place[0] in self.file.values else "settings:"

    def sentence(self, place: Place, kind: str, message: str) -> str:
        """One mistake that the model has found."""
        name = ".".join(str(part) for part in place)
        if kind == "extra_forbidden":
            return f"{self.where(place)} there is no setting {name}{_nearest(str(place[-1]), _known_at(place))}"
        if kind == "missing":
            return f"{self.where(place)} {name} is missing"
        expected = EXPECTED.get(str(place[-1]))
        rule = (
            f"should be {expected}"
            if expected
            else message.replace("Input should", "should").replace("Value error, ", "")
        )
        return f"{self.where(place)} {name} {rule}"


def _gather(environ: Mapping[str, str], config: Path | None) -> _Sources:
    file = _file(environ, config)
    variables = dict(_variables(environ))
    problems = list(_misspelt(environ))
    values = {**file.values}
    if file.path is not None and isinstance(values.get("playbooks"), list):
        values["playbooks"] = [str(file.path.parent / str(folder)) for folder in values["playbooks"]]
    if file.path is not None and isinstance(values.get("access"), str) and values["access"].strip():
        values["access"] = str(file.path.parent / values["access"])
    for name, variable in variables.items():
        try:
            values[name] = _parsed(name, environ[variable].strip())
        except ValueError as error:
            problems.append(f"{variable}: this is not JSON: {error}")
    for name, fallbacks in FROM_AWS.items():
        variable = next((key for key in fallbacks if environ.get(key, "").strip()), "")
        if variable and not values.get(name):
            values[name], variables[name] = environ[variable].strip(), variable
    return _Sources(file, variables, values, tuple(problems))


def _file(environ: Mapping[str, str], config: Path | None) -> SettingsFile:
    named = environ.get(CONFIG, "").strip()
    path = config or (Path(named) if named else DEFAULT_FILE)
    if path == DEFAULT_FILE and not named and config is None and not path.exists():
        return SettingsFile()
    try:
        return read(path)
    except FileInvalid as error:
        raise SettingsInvalid((str(error),)) from error


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(setting, variable) of those that are set; an empty variable is as good as none."""
    for name in Settings.model_fields:
        variable = PREFIX + name.upper()
        if environ.get(variable, "").strip():
            yield name, variable


def _misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    """Variables that are nearly ours. Others with our prefix are left alone: Kubernetes makes some for a service."""
    ours = [CONFIG, *(PREFIX + name.upper() for name in Settings.model_fields)]
    for variable in environ:
        near = difflib.get_close_matches(variable, ours, n=1, cutoff=0.9) if variable.startswith(PREFIX) else []
        if near and variable not in ours:
            yield f"{variable}: there is no such setting; did you mean {near[0]}?"


def _parsed(name: str, text: str) -> Any:
    """Lists are `a,b` or JSON, tables are JSON, everything else is text. Raises ValueError."""
    if text[:1] in ("[", "{"):
        return json.loads(text)
    if get_origin(Settings.model_fields[name].annotation) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _known_at(place: Place) -> Mapping[str, object]:
    """The names that may stand there: of the settings, or of an entry of one of them."""
    if len(place) == 1:
        return Settings.model_fields
    entries = get_args(Settings.model_fields[str(place[0])].annotation)
    return next((each.model_fields for each in entries if hasattr(each, "model_fields")), {})


def _nearest(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
