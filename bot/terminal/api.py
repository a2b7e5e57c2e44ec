"""`playbook-bot api`: SSM's Automation API on this machine, for boto3, the aws CLI and every AWS tool."""

from pathlib import Path

import click

from bot.api.keys import KeysInvalid
from bot.api_serving import build_api, settings_for
from bot.service import Service
from bot.terminal.answers import refuse, sentences
from infra.log import configure
from infra.settings import load

PORT = 8025
NO_KEYS = (
    "Nobody could call this API: set PLAYBOOK_BOT_API_KEYS to AKID:SECRET:actor (comma separated), "
    "for example AKIDLEE:a-long-secret:lee"
)


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=None, help=f"0 takes any free port. Default: {PORT}.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Folder of the database (SQLite).")
@sentences
def api(port: int | None, data: Path | None) -> None:
    """Speak SSM's API: start the embedded engine behind it, and print the address."""
    settings = load()
    configure(settings.log_level, style=settings.log_format, secrets=settings.secrets)
    if not settings.api_keys:
        refuse(NO_KEYS)
    chosen = next(each for each in (port, settings.api_port, PORT) if each is not None)
    try:
        settings = settings_for(data, settings) if data is not None else settings
    except OSError as error:
        refuse(f"The folder {data} cannot be made: {error}")
    try:
        serving, url = build_api(Service(settings), chosen)
    except KeysInvalid as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"The address {settings.api_host}:{chosen} cannot be had: {error}")
    click.echo(url)
    serving.run_until_signalled()
