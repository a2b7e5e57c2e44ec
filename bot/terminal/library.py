"""`playbook-bot runbook import | export | push`: documents between files and AWS Systems Manager."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from bot.terminal.answers import print_json, refuse, sentences
from bot.terminal.files import write
from bot.terminal.runbooks import read_document
from engine.document import RunbookRefused
from engine.exporting import Format, NotExportable, exported
from engine.publishing import Fetched, NoRunbook, fetch, push
from engine.validation import parse
from infra.aws import Aws, AwsSession
from infra.aws_errors import AwsRefused, AwsUnreachable

T = TypeVar("T")


def _connected(endpoint_url: str | None, region: str | None) -> AwsSession:
    return Aws(endpoint_url=endpoint_url, region=region or "").session()


def _asked(call: Callable[[], T], what: str) -> T:
    """What AWS says, or its refusal as one sentence."""
    try:
        return call()
    except (AwsRefused, AwsUnreachable) as error:
        refuse(f"{what}: {error}")
    except (NoRunbook, NotExportable) as error:
        refuse(str(error))


@click.command("import")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option("--version", default="", help="A version, $LATEST or $DEFAULT; default: the default version.")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="A folder.")
@click.option("--format", "format_", type=click.Choice(["json", "yaml"]), help="Default: as it was written.")
@click.option("--force", is_flag=True, help="Overwrite files that differ.")
@click.option("--endpoint-url", default=None, help="An AWS of your own: moto, LocalStack.")
@click.option("--region", default=None, help="Default: as every AWS tool finds it.")
@sentences
def import_(
    names: tuple[str, ...],
    *,
    version: str,
    folder: Path,
    format_: str | None,
    force: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Fetch runbooks, AWS's own or this account's, by name or ARN."""
    if version and len(names) > 1:
        refuse("--version goes with one NAME")
    aws = _connected(endpoint_url, region)
    for name in names:
        found = _asked(lambda name=name: fetch(aws, name, version=version, format_=format_ or ""), name)  # type: ignore[misc]
        _keep(found, folder, force=force)


def _keep(found: Fetched, folder: Path, *, force: bool) -> None:
    path = folder / found.file_name
    content = found.content.encode()
    try:
        if path.exists() and path.read_bytes() == content:
            click.echo(f"{path}: version {found.version} is there already")
            return
        if path.exists() and not force:
            refuse(f"{path} exists and differs; give --force to overwrite it")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        refuse(f"{path} cannot be written: {error.strerror}")
    click.echo(f"{path}: version {found.version}")
    for attachment in found.attachments:
        click.echo(f'  attachment "{attachment}" is not fetched: steps that need it will not find it', err=True)
    try:
        parse(found.content, name=path.stem, file=str(path))
    except RunbookRefused as error:
        click.echo(f"  it does not parse here:\n{error}", err=True)


@click.command("export")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "format_", type=click.Choice(["json", "yaml"]), default="json", show_default=True)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write a file, not to stdout.")
@sentences
def export(file: Path, *, format_: Format, output: Path | None) -> None:
    """Print a runbook as CreateDocument takes it."""
    document = read_document(file)
    text = _asked(lambda: exported(document, format_), str(file))
    if output is None:
        click.echo(text, nl=False)
        return
    write(output, text.encode())


@click.command("push")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The document's name in the account.")
@click.option("--default/--no-default", "make_default", default=True, help="Whether the version becomes the default.")
@click.option("--endpoint-url", default=None, help="An AWS of your own: moto, LocalStack.")
@click.option("--region", default=None, help="Default: as every AWS tool finds it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@sentences
def push_(
    file: Path, *, name: str, make_default: bool, endpoint_url: str | None, region: str | None, as_json: bool
) -> None:
    """Create or update a runbook in an account; a version is named by the hash of its content."""
    document = read_document(file)
    is_json = document.text.lstrip("\ufeff \t\r\n").startswith("{")
    aws = _connected(endpoint_url, region)
    done = _asked(
        lambda: push(aws, name, document.text, format_="JSON" if is_json else "YAML", make_default=make_default), name
    )
    if as_json:
        print_json(
            {"name": done.name, "version": done.version, "version_name": done.version_name, "did": done.did,
             "is_default": done.is_default}
        )  # fmt: skip
        return
    default = "the default" if done.is_default else "not the default"
    click.echo(f"{done.name}: {done.did}, version {done.version} ({done.version_name[:19]}…), {default}")
