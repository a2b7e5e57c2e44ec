"""`playbook-bot runbook run`: one document in the foreground, without Slack."""

import json
import sys
import time
import uuid
from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from audit.events import Actor
from bot.terminal.answers import NOT_SUCCESSFUL, print_json, refuse, sentences
from bot.terminal.files import read_text
from engine.actions import BY_NAME
from engine.attachments import beside
from engine.document import Document, RunbookRefused
from engine.execution import Execution, Status
from engine.foreground import Foreground
from engine.guarded_aws import RecordingAws
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.publishing import NoRunbook, fetch
from engine.scripts.runner import ScriptRunner
from engine.scripts.script import ScriptPolicy
from engine.signals import Signal, SignalType
from engine.validation import parse
from engine.wire import automation_execution
from infra.aws import Aws, AwsSession
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json
from infra.clock import utc_now
from infra.login import login
from infra.settings import load

Verdict = Literal["approve", "reject", ""]


@click.group()
def runbook() -> None:
    """Work with SSM Automation documents."""


def read_document(file: Path) -> Document:
    """Parse a runbook file. Raises RunbookRefused."""
    return parse(read_text(file), name=file.stem, file=str(file))


def read_parameters(text: str) -> dict[str, Json]:
    """Parameters as StartAutomationExecution takes them; native values are accepted, too."""
    try:
        value = json.loads(text)
    except ValueError as error:
        refuse(f"--parameters is not JSON: {error}")
    if not isinstance(value, dict):
        refuse('--parameters must be a JSON object, for example {"InstanceId": ["i-0123456789abcdef0"]}')
    return value


@runbook.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--parameters", default="{}", help='JSON: {"InstanceId": ["i-…"]}')
@click.option("--endpoint-url", default=None, help="An AWS of your own: moto, LocalStack.")
@click.option("--region", default=None, help="Default: as every AWS tool finds it.")
@click.option("--approve", "verdict", flag_value="approve", help="Answer every aws:approve step with yes.")
@click.option("--reject", "verdict", flag_value="reject", help="Answer every aws:approve step with no.")
@click.option("--json", "as_json", is_flag=True, help="Print the execution as GetAutomationExecution does.")
@sentences
def run(
    file: Path, *, parameters: str, endpoint_url: str | None, region: str | None, verdict: str | None, as_json: bool
) -> None:
    """Run one document here and now, and wait for its end."""
    document = read_document(file)
    aws = Aws(endpoint_url=endpoint_url, region=region or "")
    actor = Actor("person", f"terminal:{login()}", login())
    home = aws.session("", session_name="playbook-bot")

    def aws_for(state: Execution) -> RecordingAws:
        return aws.session(state.assume_role, session_name=actor.name, region=state.region, account=state.account)

    settings = load()
    scripts = ScriptRunner(ScriptPolicy(settings.allow_unjailed_scripts, settings.allowed_script_calls))
    services = {"scripts": scripts}
    engine = Foreground(
        actions=BY_NAME,
        performer=Performer(BY_NAME, aws_for, utc_now, services=services, attachments=beside(file.parent)),
        clock=utc_now,
        pause=time.sleep,
        parameter_store=home.parameter,
        documents=Neighbours(file.parent, home),
    )
    order = StartOrder(
        document, read_parameters(parameters), actor, home.region, home.account, home.partition,
        execution_id=str(uuid.uuid4()),
    )  # fmt: skip
    try:
        state = engine.run(order, lambda waiting: _answer(waiting, verdict or "", actor))
    finally:
        scripts.close()
    _print(state, document, as_json=as_json)
    sys.exit(0 if state.status is Status.SUCCESS else NOT_SUCCESSFUL)


class Neighbours:
    """Documents of aws:executeAutomation: files beside the one that runs, else what AWS has."""

    def __init__(self, folder: Path, aws: AwsSession) -> None:
        self._folder, self._aws = folder, aws

    def find(self, name: str, version: str) -> Document:
        """The document of that name. Raises LookupError with a sentence."""
        for suffix in (".yaml", ".yml", ".json"):
            path = self._folder / f"{name}{suffix}"
            if path.parent == self._folder and path.is_file():
                return parse(_neighbour(path), name=name, file=str(path))
        try:
            found = fetch(self._aws, name, version=version)
            return parse(found.content, name=name, version=found.version)
        except (AwsRefused, AwsUnreachable, NoRunbook, RunbookRefused) as error:
            raise LookupError(f'"{name}" is no file beside {self._folder}, and AWS has none: {error}') from error


def _neighbour(path: Path) -> str:
    """The text of a file beside the one that runs. Raises LookupError with a sentence."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LookupError(f"{path} is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise LookupError(f"{path} cannot be read: {error.strerror}") from error


def _answer(state: Execution, verdict: str, actor: Actor) -> Signal | None:
    step = state.step
    if step is None:
        return None
    if step.action != "aws:approve":
        return Signal(SignalType.RESUME, actor, step.id) if verdict == "approve" else None
    if not verdict and sys.stdin.isatty():
        question = f"{step.inputs.get('Message') or step.name}\nApprove?"
        verdict = "approve" if click.confirm(question, err=True) else "reject"
    if not verdict:
        click.echo(f'step "{step.name}" waits for an approval; give --approve or --reject', err=True)
        return None
    return Signal(SignalType.APPROVE if verdict == "approve" else SignalType.REJECT, actor, step.id)


def _print(state: Execution, document: Document, *, as_json: bool) -> None:
    if as_json:
        print_json(automation_execution(state, document))
        return
    console = Console()
    for step in state.steps:
        console.print(f"{step.name}: {step.status} {step.failure_message}".rstrip(), highlight=False)
    console.print(f"{document.name}: {state.status} {state.failure_message}".rstrip(), highlight=False)
