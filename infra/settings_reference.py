"""The settings as a page for people, made from the model: `python -m infra.settings_reference > docs/settings.md`."""

import sys
import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from infra.settings import CONFIG, DEFAULT_FILE, PREFIX
from infra.settings_model import Settings

SECTIONS: Final[Mapping[str, str]] = {
    "database_url": "Database and audit",
    "slack_bot_token": "Slack",
    "http_host": "HTTP",
    "playbooks": "Playbooks",
    "sqs_queue_urls": "Alarms and AWS",
    "api_keys": "SSM's API",
    "event_bus": "Notifications of finished steps",
    "people": "People",
    "access": "Access, and what holds starts back",
    "allow_unjailed_scripts": "Scripts, workers and log",
}
"""The first setting of each section."""
WORDS: Final[Mapping[Any, str]] = {
    str: "text", bool: "true or false", int: "whole number", float: "number", Path: "path", datetime: "moment",
    SecretStr: "secret",
}  # fmt: skip
HEAD: Final = ("| setting | what it is | type | default |", "|---|---|---|---|")
INTRODUCTION: Final = f"""\
# Settings

Every setting can stand in `{DEFAULT_FILE}` (in the folder where the bot is started, or where `{CONFIG}` says) under
its name, or in the environment as `{PREFIX}NAME`. The environment wins. In the environment, lists are separated by
commas or written as JSON, and tables are JSON. An empty value is as good as none. Every mistake stops the start with
one sentence that names the file, line and column, or the variable.

Keep secrets in the environment rather than in the file. `playbook-bot doctor` says what is missing.

```yaml
# {DEFAULT_FILE}
database_url: postgresql://bot@db.internal/playbook_bot
channel: C024BE91L
playbooks: [playbooks]                  # relative to this file
sqs_queue_urls: [https://sqs.eu-west-1.amazonaws.com/123456789012/playbook-bot-alarms]
people:
  - {{id: lee, slack: U024BE7LH, iam: ["arn:aws:iam::123456789012:user/lee"], terminal: lee}}
groups:
  responders: [lee, S0614TZR7]          # people, Slack users, Slack user groups
```

This page is made from the program's own model: `python -m infra.settings_reference > docs/settings.md`.
"""


def markdown() -> str:
    """The whole page."""
    lines = [INTRODUCTION.rstrip(), *_sections()]
    for name, field in Settings.model_fields.items():
        for entry in _entries(field.annotation):
            text = " ".join((entry.__doc__ or "").split())
            lines += ["", f"## An entry of `{name}`", "", text, "", *_table(entry)]
    return "\n".join(lines) + "\n"


def _sections() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            yield from ("", f"## {SECTIONS[name]}", "", *HEAD)
        yield _row(name, field, variable=True)


def _table(model: type[BaseModel]) -> Iterator[str]:
    yield from HEAD
    for name, field in model.model_fields.items():
        yield _row(name, field, variable=False)


def _entries(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _entries(each)


def _row(name: str, field: FieldInfo, *, variable: bool) -> str:
    text = " ".join((field.description or "").split())
    spelled = f"`{name}`" + (f"<br>`{PREFIX}{name.upper()}`" if variable else "")
    return f"| {spelled} | {_cell(text)} | {_cell(_type(field.annotation))} | {_default(field)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(str(each) for each in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is Mapping:
        return f"table: {_type(arguments[0])} to {_type(arguments[1])}"
    if origin in (Union, types.UnionType):
        return _type(next(each for each in arguments if each is not type(None)))
    if next(_entries(annotation), None) is not None:
        return "entries, see below"
    return WORDS.get(annotation) or str(getattr(annotation, "__name__", annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default()
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, SecretStr) or value in ("", (), {}, None):
        return ""
    if isinstance(value, BaseModel):
        return "as below"
    return f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(markdown())
