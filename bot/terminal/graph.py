"""`playbook-bot runbook graph`: a runbook's flow as Mermaid, SVG or PNG."""

import sys
from pathlib import Path
from typing import Final

import click

from bot.terminal.answers import refuse, sentences
from bot.terminal.files import write
from bot.terminal.runbooks import read_document
from engine.graph import Graph, graph_of, mermaid
from engine.graph_layout import laid_out
from engine.graph_png import PictureMissing, png
from engine.graph_svg import svg

FORMATS: Final = {".svg": "svg", ".png": "png", ".mmd": "mermaid", ".mermaid": "mermaid"}


@click.command("graph")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format", "format_", type=click.Choice(["mermaid", "svg", "png"]), help="Default: by --output, else mermaid."
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write a file, not to stdout.")
@sentences
def graph(file: Path, *, format_: str | None, output: Path | None) -> None:
    """Draw the flow of a runbook, with the ways that failure and cancelling take."""
    drawn = graph_of(read_document(file))
    chosen = format_ or (FORMATS.get(output.suffix.lower(), "mermaid") if output else "mermaid")
    try:
        content = _content(drawn, chosen)
    except PictureMissing as error:
        refuse(str(error))
    if output is not None:
        write(output, content)
        return
    if chosen == "png" and sys.stdout.isatty():
        refuse("a PNG is no text for a terminal; give --output FILE.png, or send stdout to a file")
    click.echo(content, nl=False)


def _content(drawn: Graph, format_: str) -> bytes:
    match format_:
        case "svg":
            return svg(laid_out(drawn)).encode()
        case "png":
            return png(laid_out(drawn))
        case _:
            return mermaid(drawn).encode()
