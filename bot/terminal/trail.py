"""`playbook-bot audit show | verify | export`, and `playbook-bot timeline`."""

import sys

import click
from rich.console import Console
from rich.table import Table

from audit.export import Format
from audit.export import export as export_rows
from bot.service import Service
from bot.terminal.answers import NOT_SUCCESSFUL, print_json, sentences
from playbooks.timeline import as_json, as_markdown


@click.group()
def audit() -> None:
    """What happened, and who did it."""


@audit.command()
@click.argument("execution")
@click.option("--json", "as_json", is_flag=True)
@sentences
def show(execution: str, *, as_json: bool) -> None:
    """Tell the story of one execution."""
    with Service.opened() as service:
        entries = service.queries.timeline(execution)
    if as_json:
        print_json(
            [
                {"seq": e.seq, "at": e.at, "event": e.name, "actor": e.actor.id, "data": dict(e.data), "hash": e.hash}
                for e in entries
            ]
        )
        return
    table = Table("#", "when (UTC)", "who", "what", box=None)
    for entry in entries:
        table.add_row(str(entry.seq), f"{entry.at:%F %T}", entry.actor.name or entry.actor.id, entry.text)
    Console(soft_wrap=True).print(table)


@audit.command()
@click.option("--json", "as_json", is_flag=True)
@sentences
def verify(*, as_json: bool) -> None:
    """Check that no event was altered, removed or moved."""
    with Service.opened() as service, service.db.reading(patient=True) as connection:
        verdict = service.audit.verify(connection)
    if as_json:
        chain = "valid" if verdict.is_valid else "broken"
        broken = {"broken_at": verdict.broken_at, "reason": verdict.reason} if not verdict.is_valid else {}
        print_json({"events": verdict.events, "chain": chain, "head": verdict.head, **broken})
    elif verdict.is_valid:
        click.echo(f"valid: {verdict.events} events, head {verdict.head}")
    else:
        click.echo(f"BROKEN: {verdict.reason}", err=True)
    if not verdict.is_valid:
        sys.exit(NOT_SUCCESSFUL)


@audit.command()
@click.option("--format", "format_", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@sentences
def export(format_: str) -> None:
    """Print the whole trail, hashes included."""
    with Service.opened() as service, service.db.reading(patient=True) as connection:
        style: Format = "csv" if format_ == "csv" else "jsonl"
        for line in export_rows(service.audit.entries(connection), style):
            click.echo(line, nl=False)


@click.command()
@click.argument("execution")
@click.option("--format", "format_", type=click.Choice(["md", "json"]), default="md", show_default=True)
@sentences
def timeline(execution: str, format_: str) -> None:
    """Print the story of one execution for a review: Markdown, or JSON with the audit's hashes."""
    with Service.opened() as service:
        facts, entries = service.queries.execution(execution), service.queries.timeline(execution)
    click.echo(as_json(facts, entries) if format_ == "json" else as_markdown(facts, entries), nl=False)
