"""`playbook-bot serve | doctor | manifest | db upgrade`: the process and its surroundings."""

import sys

import click
import yaml
from rich.console import Console
from rich.markup import escape

from bot.service import Service
from bot.serving import build
from bot.slack.manifest import ManifestRefused
from bot.slack.manifest import manifest as slack_manifest
from bot.terminal.answers import NOT_SUCCESSFUL, print_json, refuse, sentences
from infra.db import Database, DatabaseUnavailable
from infra.log import configure
from infra.settings import load
from migrations import runner


@click.command()
@sentences
def serve() -> None:
    """Run the bot until it is told to stop."""
    settings = load()
    configure(settings.log_level, style=settings.log_format, secrets=settings.secrets)
    service = Service(settings)
    try:
        build(service).run_until_signalled()
    finally:
        service.db.close()


@click.group()
def db() -> None:
    """The database's schema."""


@db.command()
@sentences
def upgrade() -> None:
    """Bring the schema up to this version."""
    settings = load()
    database = Database(settings.database_url)
    try:
        before, after = runner.upgrade(database)
    except DatabaseUnavailable as error:
        refuse(f"{database.url.render_as_string(hide_password=True)}: {error}")
    finally:
        database.close()
    if before == after:
        click.echo(f"The schema is at {after} already.")
    else:
        click.echo(
            f"The schema was brought from {before} to {after}." if before else f"The schema was made, at {after}."
        )


@click.command()
@click.option("--json", "as_json", is_flag=True)
@sentences
def doctor(*, as_json: bool) -> None:
    """Check tokens, scopes, database, AWS, topics and clock, and say what to fix."""
    from bot.doctor import checks  # noqa: PLC0415 - asks the outside world, and only this command needs it

    settings = load()
    configure("error", secrets=settings.secrets)
    found = checks(settings)
    if as_json:
        print_json([{"name": each.name, "ok": each.ok, "detail": each.detail, "fix": each.fix} for each in found])
    else:
        console = Console()
        for each in found:
            mark = "[green]ok[/green]  " if each.ok else "[red]FAIL[/red]"
            console.print(f"{mark} {escape(each.name)}: {escape(each.detail)}", highlight=False, soft_wrap=True)
            if not each.ok and each.fix:
                console.print(f"     → {escape(each.fix)}", highlight=False, soft_wrap=True)
    if not all(each.ok for each in found):
        sys.exit(NOT_SUCCESSFUL)


@click.command()
@click.option("--name", default="playbook-bot", show_default=True)
@click.option("--url", default="", help="Public address of the bot, for HTTP mode; without it Socket Mode.")
@click.option(
    "--workspaces", "public_url", default="", help="For several workspaces: where browsers reach the bot (https://…)."
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of YAML.")
def manifest(name: str, url: str, public_url: str, *, as_json: bool) -> None:
    """Print the Slack app manifest: paste it at api.slack.com/apps."""
    try:
        found = slack_manifest(name, url or None, public_url=public_url or None)
    except ManifestRefused as error:
        refuse(str(error))
    if as_json:
        print_json(found)
    else:
        click.echo(yaml.safe_dump(found, sort_keys=False, allow_unicode=True), nl=False)


PROCESS_COMMANDS = (serve, db, doctor, manifest)
