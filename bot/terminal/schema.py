"""`playbook-bot runbook schema`: what editors need to complete and check runbooks."""

import json
from pathlib import Path

import click

from bot.terminal.answers import refuse, sentences
from bot.terminal.files import write
from engine.json_schema import json_schema
from infra.aws_errors import AwsRefused


@click.command("schema")
@click.option("--service", "services", multiple=True, metavar="NAME", help="Also complete this service's operations.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write a file, not to stdout.")
@sentences
def schema(services: tuple[str, ...], *, output: Path | None) -> None:
    """Print a JSON Schema of runbooks, for the completion of editors."""
    try:
        found = json_schema(services)
    except AwsRefused as error:
        refuse(str(error))
    text = json.dumps(found, indent=1 if not services else None) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    write(output, text.encode())
