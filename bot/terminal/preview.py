"""`playbook-bot runbook preview`: what a start would do, found out with questions only."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape

from bot.terminal.answers import plain, print_json, sentences
from bot.terminal.runbooks import read_document, read_parameters
from engine.actions import BY_NAME
from engine.consequence import told
from engine.document import Document, RunbookRefused
from engine.graph import detail_of
from engine.preview import Surroundings, preview
from engine.preview_aws import LookingAws, WouldChange
from engine.preview_result import Failing, Planned, Preview, PreviewStep, Reach
from engine.publishing import NoRunbook, fetch
from engine.validation import parse
from infra.aws import Aws
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.clock import utc_now

REACH: Final = {Reach.SURE: "runs", Reach.MAYBE: "may run", Reach.ON_FAILURE: "on failure"}


@click.command("preview")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--parameters", default="{}", help='JSON: {"InstanceId": ["i-…"]}')
@click.option("--endpoint-url", default=None, help="An AWS of your own: moto, LocalStack.")
@click.option("--region", default=None, help="Default: as every AWS tool finds it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@sentences
def preview_(file: Path, *, parameters: str, endpoint_url: str | None, region: str | None, as_json: bool) -> None:
    """Tell what a runbook would do, and what would be lost. Nothing is changed."""
    document = read_document(file)
    looking = LookingAws(Aws(endpoint_url=endpoint_url, region=region or "").session())
    around = Surroundings(looking, BY_NAME, utc_now(), lambda name, version: _child(looking, name, version))
    found = preview(document, read_parameters(parameters), around)
    if as_json:
        print_json({**as_plain(found), "looked": looking.looked, "unanswered": looking.unanswered})
        return
    _tell(found, Console(soft_wrap=True, highlight=False), "")
    gap = f"; {looking.unanswered} were not answered" if looking.unanswered else ""
    click.echo(f"Nothing was changed. AWS was asked {len(looking.looked)} questions{gap}.")


def _child(aws: LookingAws, name: str, version: str) -> Document | None:
    try:
        found = fetch(aws, name, version=version)
        return parse(found.content, name=found.name, version=found.version)
    except (AwsRefused, AwsUnreachable, WouldChange, NoRunbook, RunbookRefused):
        return None


def _tell(found: Preview, console: Console, indent: str) -> None:
    if found.role:
        console.print(f"{indent}It runs as {escape(found.role)}.")
    told_already: set[str] = set()
    for number, step in enumerate(found.steps, start=1):
        for line in _lines(number, step, found, told_already):
            console.print(f"{indent}{line}")
        if step.child is not None:
            _tell(step.child, console, f"{indent}      ")
    console.print(f"{indent}It ends: {found.outcome}.")
    failing = [step for status, reach, step in found.ends if status == "Failed" and reach is Reach.SURE]
    if failing:
        console.print(f"{indent}It fails at: {', '.join(failing)}.")
    if found.not_reached:
        console.print(f"{indent}Not reached: {', '.join(found.not_reached)}.")


def _lines(number: int, step: PreviewStep, found: Preview, told_already: set[str]) -> Iterator[str]:
    spec = found.document.step(step.name)
    detail = detail_of(spec) if spec is not None else step.action
    place = f" ({step.loop} #{step.iteration})" if step.iteration else f" (in {step.loop})" if step.loop else ""
    colour = {Reach.SURE: "bold", Reach.MAYBE: "yellow", Reach.ON_FAILURE: "dim"}[step.reach]
    why = f" — {step.why}" if step.why else ""
    yield f"[{colour}]{number:>3}  {escape(step.name)}{place}[/]  {escape(detail)}  {REACH[step.reach]}{escape(why)}"
    for said in step.says:
        yield f"       {escape(said)}"
    for name, value in step.outputs.items():
        yield f"       {escape(f'{name} = {_short(value)}')}"
    for call in step.calls:
        yield f"       [cyan]{call.name}[/] {escape(_short(call.params))}"
        for sentence in told(call.consequences):
            if sentence not in told_already:
                yield f"       [red]![/] {escape(sentence)}"
            told_already.add(sentence)
    if spec is not None and spec.on_cancel.startswith("step:"):
        yield f"       if it is cancelled here: {spec.on_cancel.removeprefix('step:')}"
    if step.unknown:
        yield f"       unknown until it runs: {escape(', '.join(step.unknown))}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=plain)
    return text if len(text) <= 400 else f"{text[:399]}…"


def as_plain(found: Preview) -> dict[str, Any]:
    """A preview as JSON."""
    return {
        "document": found.document.name,
        "document_sha256": found.document.digest,
        "parameters": dict(found.parameters),
        "role": found.role,
        "outcome": found.outcome,
        "ends": [{"status": status, "reach": REACH[reach], "step": step} for status, reach, step in found.ends],
        "steps": [_plain_step(step) for step in found.steps],
        "not_reached": list(found.not_reached),
        "lost": list(told(found.consequences)),
    }


def _plain_step(step: PreviewStep) -> dict[str, Any]:
    return {
        "name": step.name,
        "action": step.action,
        "reach": REACH[step.reach],
        "why": step.why,
        "fails": {Failing.NO: "no", Failing.MAYBE: "maybe", Failing.SURELY: "yes"}[step.fails],
        "says": list(step.says),
        "outputs": dict(step.outputs),
        "calls": [_plain_call(call) for call in step.calls],
        "unknown": list(step.unknown),
        "loop": step.loop,
        "iteration": step.iteration,
        "child": as_plain(step.child) if step.child is not None else None,
    }


def _plain_call(call: Planned) -> dict[str, Any]:
    return {
        "service": call.service,
        "operation": call.operation,
        "params": dict(call.params),
        "consequences": [
            {"weight": each.weight, "resource": each.resource, "sentence": each.sentence} for each in call.consequences
        ],
    }
