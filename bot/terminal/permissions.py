"""`playbook-bot runbook permissions`: the policies of a runbook's service role."""

import json
from pathlib import Path
from typing import Any

import click

from bot.terminal.answers import print_json, refuse, sentences
from bot.terminal.runbooks import read_document, read_parameters
from engine.permissions import Permissions, permissions_of, some_parameters
from engine.role_policy import trust_policy
from infra.aws_models import partition_of
from infra.iam_resources import ANY, Where


@click.command("permissions")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--parameters", default="{}", help="JSON: narrow it to a start with these parameters.")
@click.option("--account", default=ANY, help="Twelve digits; default: any.")
@click.option("--region", default=ANY, help="Default: any.")
@click.option("--trust", "trusted", multiple=True, metavar="ARN", help="A role that may take it on: the bot's own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@sentences
def permissions(
    file: Path, *, parameters: str, account: str, region: str, trusted: tuple[str, ...], as_json: bool
) -> None:
    """Print the least-privilege policy and the trust policy of a runbook's service role."""
    if account != ANY and not (account.isdigit() and len(account) == 12):
        refuse(f'--account must be twelve digits, not "{account}"')
    document = read_document(file)
    where = Where(partition_of(region), region, account)
    found = permissions_of(document, parameters=some_parameters(document, read_parameters(parameters)), where=where)
    trust = trust_policy(where, trusted=trusted)
    if as_json:
        print_json(_plain(found, trust))
    else:
        _tell(found, trust)


def _plain(found: Permissions, trust: dict[str, Any]) -> dict[str, Any]:
    return {
        "policy": found.policy,
        "trust_policy": trust,
        "because": found.because,
        "notes": [{"step": note.step, "note": note.sentence} for note in found.notes],
    }


def _tell(found: Permissions, trust: dict[str, Any]) -> None:
    click.echo("Permissions policy:")
    click.echo(json.dumps(found.policy, indent=2))
    click.echo("\nTrust policy:")
    click.echo(json.dumps(trust, indent=2))
    if found.because:
        click.echo("\nNeeded by:")
        width = max(map(len, found.because))
        for action, steps in found.because.items():
            click.echo(f"  {action:<{width}}  {', '.join(step or '(the start)' for step in steps)}")
    if found.notes:
        click.echo("\nNot told by the runbook itself:")
        said: dict[str, list[str]] = {}
        for note in found.notes:
            said.setdefault(note.sentence, []).append(note.step)
        for sentence, steps in said.items():
            named = ", ".join(filter(None, steps))
            click.echo(f"  {named}: {sentence}" if named else f"  {sentence}")
