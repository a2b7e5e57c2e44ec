"""Runs and their questions at the terminal: `playbook-bot run`, `status`, `approve`, `stop` and their kin."""

import sys
import uuid
from collections.abc import Sequence
from typing import Literal

import click
from rich.console import Console
from rich.markup import escape

from bot.service import Service
from bot.terminal.answers import parse_pairs, print_json, print_table, sentences
from engine.secrets import masking_of
from engine.wire import automation_execution
from infra.login import login
from playbooks.facts import ExecutionFacts
from playbooks.operations import Order, Refused
from playbooks.people import Directory, Identity
from playbooks.refusals import SituationChanged
from playbooks.typed import typed_values

pass_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _me(service: Service) -> Identity:
    """The person at this terminal, by the login of the machine."""
    return service.directory.terminal(login())


@click.command()
@click.argument("playbook")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--region", default="", help="Where to run; default: the bot's own Region.")
@click.option("--override", default="", help="Why it shall start although a freeze holds.")
@pass_json
@sentences
def run(playbook: str, parameters: tuple[str, ...], region: str, override: str, *, as_json: bool) -> None:
    """Start a playbook."""
    with Service.opened() as service:
        given = typed_values(service.queries.playbook(playbook).parameters, parse_pairs(parameters))
        order = Order(playbook, given, request_key=f"terminal:{uuid.uuid4()}", region=region, override=override)
        execution_id = service.operations.start(order, _me(service))
    if as_json:
        print_json({"execution": execution_id})
    else:
        click.echo(f"Started {playbook}: {execution_id}\nplaybook-bot status {execution_id[:8]} shows how it goes.")


@click.command(name="list")
@pass_json
@sentences
def list_playbooks(*, as_json: bool) -> None:
    """Show the playbooks."""
    with Service.opened() as service:
        found = service.queries.playbooks()
    if as_json:
        print_json([{"name": each.name, "title": each.title, "start": each.start} for each in found])
        return
    print_table(
        ("playbook", "what it does", "starts"),
        ((each.name, each.title, f"{each.start} ({each.trigger})" if each.trigger else "by hand") for each in found),
    )


@click.command()
@click.argument("execution", required=False)
@pass_json
@sentences
def status(execution: str | None, *, as_json: bool) -> None:
    """Show one execution, or the latest."""
    with Service.opened() as service:
        if execution is None:
            _print_list(service.queries.executions(limit=20), as_json=as_json)
            return
        if as_json:
            state, document = service.queries.state(execution)
            print_json(masking_of(state).json(automation_execution(state, document)))
            return
        _print_one(service.queries.execution(execution), service.directory)


def _print_list(rows: Sequence[ExecutionFacts], *, as_json: bool) -> None:
    if as_json:
        print_json([{"id": each.id, "playbook": each.playbook, "status": each.status} for each in rows])
        return
    print_table(
        ("execution", "playbook", "on", "status", "started"),
        (
            (
                each.id[:8],
                each.playbook or each.document,
                ", ".join(each.targets),
                each.status,
                f"{each.started_at:%F %T}",
            )
            for each in rows
        ),
    )


def _print_one(facts: ExecutionFacts, directory: Directory) -> None:
    console = Console(markup=False, highlight=False, soft_wrap=True)
    on = ", ".join(facts.targets) or facts.region
    console.print(f"[bold]{escape(facts.title)}[/bold] on {escape(on)}: {facts.status}", markup=True)
    console.print(f"execution {facts.id}, started by {facts.started_by} at {facts.started_at:%F %T} UTC")
    rows = ((step.name, step.status, step.failure_message or step.say) for step in facts.steps)
    print_table(("step", "status", ""), rows)
    approval = facts.approval
    if approval is not None and approval.status == "Waiting":
        approvers = ", ".join(map(directory.unmentioned, approval.approvers)) or "nobody"
        console.print(f"waits for {approval.minimum} approval(s) by {approvers}")
        console.print(f"playbook-bot approve {approval.id}")
    for each in facts.approvals:
        if each.waits_for_review:
            console.print(f"the glass was broken: playbook-bot review {each.id} --note TEXT")
    if facts.failure_message:
        console.print(facts.failure_message)


@click.command()
@pass_json
@sentences
def approvals(*, as_json: bool) -> None:
    """Show the questions that wait for an answer."""
    with Service.opened() as service:
        found = service.queries.open_approvals()
    if as_json:
        print_json([{"id": each.id, "execution": each.execution_id, "title": each.title} for each in found])
        return
    named = service.directory.unmentioned
    print_table(
        ("request", "what", "approvers", "until"),
        (
            (
                each.id,
                each.message or each.title,
                ", ".join(map(named, each.approvers)) or each.problem,
                f"{each.expires_at:%F %T}" if each.expires_at else "",
            )
            for each in found
        ),
    )


def is_interactive() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty()


def _decide(request: str, verdict: Literal["Approve", "Reject"], comment: str, seen: str = "") -> None:
    """Where something has happened since people were asked, ask once more; a script is told what to say instead."""
    with Service.opened() as service:
        service.looks = True
        try:
            service.operations.decide(request, _me(service), verdict, comment, seen=seen)
        except SituationChanged as changed:
            if not is_interactive():
                raise Refused(f"{changed.sentence} To {verdict} all the same, add --seen {changed.mark}.") from changed
            click.echo(changed.sentence, err=True)
            click.confirm(f"{verdict} all the same?", abort=True, err=True)
            seen = changed.mark
        else:
            click.echo("Your answer was counted.")
            return
    _decide(request, verdict, comment, seen)


@click.command()
@click.argument("request")
@click.option("--comment", default="")
@click.option("--seen", default="", help="The mark of what has happened since, as a refusal names it.")
@sentences
def approve(request: str, comment: str, seen: str) -> None:
    """Approve a request."""
    _decide(request, "Approve", comment, seen)


@click.command()
@click.argument("request")
@click.option("--comment", default="")
@sentences
def reject(request: str, comment: str) -> None:
    """Reject a request."""
    _decide(request, "Reject", comment)


@click.command()
@click.argument("request")
@sentences
def revoke(request: str) -> None:
    """Take back your answer, until the step has begun."""
    with Service.opened() as service:
        service.operations.revoke(request, _me(service))
    click.echo("Your answer was taken back.")


@click.command()
@click.argument("request")
@click.argument("person")
@sentences
def delegate(request: str, person: str) -> None:
    """Hand your answer to a request over to PERSON, an id of the setting `people`."""
    with Service.opened() as service:
        service.operations.delegate(request, _me(service), _person(service, person))
    click.echo(f"{person} may answer now, in your place.")


def _person(service: Service, name: str) -> Identity:
    """Somebody of the setting `people`. Raises Refused."""
    found = service.directory.of_person(name)
    if found is None:
        raise Refused(f'There is no "{name}" in people.')
    return found


@click.command(name="break-glass")
@click.argument("request")
@click.option("--reason", required=True, help="Why it cannot wait; everybody will read it.")
@click.option("--target", required=True, help="Name of what it works on, as `playbook-bot status` shows it.")
@sentences
def break_glass(request: str, reason: str, target: str) -> None:
    """Approve a request alone, in an emergency; it will be reviewed."""
    with Service.opened() as service:
        service.operations.break_glass(request, _me(service), reason, target)
    click.echo("The glass is broken: it goes on, and this will be reviewed.")


@click.command()
@click.argument("execution")
@click.option("--note", required=True, help="What the review has found; everybody can read it.")
@sentences
def review(execution: str, note: str) -> None:
    """Close the review of a break-glass, as one of its approvers; of several in one EXECUTION, name the request."""
    with Service.opened() as service:
        service.operations.review(service.queries.to_review(execution), _me(service), note)
    click.echo("Reviewed; nobody is reminded of it any more.")


@click.command()
@click.argument("execution")
@sentences
def stop(execution: str) -> None:
    """Cancel an execution."""
    with Service.opened() as service:
        service.operations.stop(service.queries.execution(execution).id, _me(service))
    click.echo("It was asked to stop.")


@click.command()
@click.argument("execution")
@sentences
def resume(execution: str) -> None:
    """Let a paused execution go on."""
    with Service.opened() as service:
        service.operations.resume(service.queries.execution(execution).id, _me(service))
    click.echo("It goes on.")


COMMANDS = (
    run,
    list_playbooks,
    status,
    approvals,
    approve,
    reject,
    revoke,
    delegate,
    break_glass,
    review,
    stop,
    resume,
)
