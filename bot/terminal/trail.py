"""`playbook-bot audit show | verify | export`, and `playbook-bot timeline`."""

import sys
from typing import BinaryIO, Final

import click

from audit.export import Format
from audit.export import export as export_rows
from bot.service import Service
from bot.terminal.answers import NOT_SUCCESSFUL, print_json, print_table, sentences
from bot.terminal.files import decoded
from playbooks import proof
from playbooks.queries import NotFound
from playbooks.timeline import as_json, as_markdown

ONLY_WORDS: Final = (
    "the facts agree with the trail, and words do not: another version of the program has written them, or somebody "
    "has changed them; the data of these events counts"
)


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
    rows = ((str(entry.seq), f"{entry.at:%F %T}", entry.actor.name or entry.actor.id, entry.text) for entry in entries)
    print_table(("#", "when (UTC)", "who", "what"), rows)


@audit.command()
@click.argument("story", required=False, type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True)
@sentences
def verify(story: BinaryIO | None, *, as_json: bool) -> None:
    """Check that no event was altered, removed or moved; with the file of an exported STORY, that one, too."""
    text = decoded(story.read(), story.name) if story is not None else ""
    with Service.opened() as service:
        with service.db.reading(patient=True) as connection:
            verdict = service.audit.verify(connection)
        proved = _proved(service, text) if story is not None else proof.Proof()
    if as_json:
        chain = "valid" if verdict.is_valid else "broken"
        broken = {"broken_at": verdict.broken_at, "reason": verdict.reason} if not verdict.is_valid else {}
        told = {"differences": proved.facts, "words": proved.words, "notes": proved.notes} if story is not None else {}
        print_json({"events": verdict.events, "chain": chain, "head": verdict.head, **broken, **told})
    elif verdict.is_valid:
        click.echo(f"valid: {verdict.events} events, head {verdict.head}")
    else:
        click.echo(f"BROKEN: {verdict.reason}", err=True)
    if story is not None and not as_json:
        _tell(story.name, proved)
    if not verdict.is_valid or not proved.is_whole:
        sys.exit(NOT_SUCCESSFUL)


def _proved(service: Service, text: str) -> proof.Proof:
    try:
        story = proof.read(text)
        facts, entries = service.queries.execution(story.execution), service.queries.timeline(story.execution)
        return proof.prove(story, facts, entries)
    except (proof.NoExport, NotFound) as error:
        return proof.Proof((str(error),))


def _tell(name: str, proved: proof.Proof) -> None:
    for each in (*proved.facts, *proved.words):
        click.echo(f"{name}: {each}", err=True)
    if proved.words and not proved.facts:
        click.echo(f"{name}: {ONLY_WORDS}", err=True)
    if proved.is_whole:
        click.echo(f"{name}: every event is as the trail has it, with its words, and so is what stands above them")
    for each in proved.notes:
        click.echo(f"{name}: note: {each}")


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
