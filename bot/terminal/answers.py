"""How the terminal answers: a sentence on stderr and an exit code, never a traceback."""

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.document import RunbookRefused
from engine.parameters import ParametersInvalid
from infra.db import DatabaseUnavailable
from infra.settings import SettingsInvalid
from migrations.runner import SchemaOutdated
from playbooks.operations import InvalidLibrary, Refused
from playbooks.queries import NotFound

P = ParamSpec("P")
R = TypeVar("R")

NOT_SUCCESSFUL = 1
REFUSED = 2
WIDEST = 100_000
"""Characters in a line that nobody reads on a screen."""
EXPECTED = (
    RunbookRefused,
    ParametersInvalid,
    DatabaseUnavailable,
    SettingsInvalid,
    SchemaOutdated,
    InvalidLibrary,
    Refused,
    NotFound,
)


def refuse(message: str, code: int = REFUSED) -> NoReturn:
    """Say why not, and end."""
    click.echo(message, err=True)
    sys.exit(code)


def sentences(command: Callable[P, R]) -> Callable[P, R]:
    """Turn known errors of a command into their sentence and exit code 2."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except EXPECTED as error:
            refuse(str(error) or type(error).__doc__ or "refused")

    return wrapped


def plain(value: Any) -> Any:
    """What `json.dumps` cannot spell itself."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    click.echo(json.dumps(value, indent=2, default=plain, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows below their titles, nothing of them cut: folded on a terminal, on one line each elsewhere."""
    table = Table(box=None)
    for each in columns:
        table.add_column(each, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDEST)
    console.print(table)


def parse_pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    """`name=value` arguments. Raises click.BadParameter."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise click.BadParameter(f'"{pair}" is not name=value')
        found[name] = value
    return found
