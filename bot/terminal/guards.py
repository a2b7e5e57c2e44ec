"""`playbook-bot pause | unpause | locks`: the big red switch, and who works on what, from the terminal."""

import click

from bot.service import Service
from bot.terminal.answers import print_json, print_table, sentences
from infra.login import login


@click.command()
@click.argument("reason", nargs=-1)
@sentences
def pause(reason: tuple[str, ...]) -> None:
    """Pause everything: nothing starts and nothing is approved until it is resumed. For admins of the settings."""
    with Service.opened() as service:
        by = service.directory.terminal(login())
        found = service.operations.guarding.pause(by, " ".join(reason))
    click.echo(found.sentence)


@click.command()
@sentences
def unpause() -> None:
    """Let everything go on that `pause` has stopped."""
    with Service.opened() as service:
        service.operations.guarding.resume(service.directory.terminal(login()))
    click.echo("Everything goes on.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@sentences
def locks(*, as_json: bool) -> None:
    """Show which execution works on which resource."""
    with Service.opened() as service:
        held, paused = service.operations.guarding.held(), service.operations.guarding.paused()
    if as_json:
        rows = [
            {"resource": each.key, "execution": each.execution_id, "by": each.actor.id, "since": each.since}
            for each in held
        ]
        print_json({"paused": paused.sentence if paused else None, "locks": rows})
        return
    if paused is not None:
        click.echo(paused.sentence)
    print_table(
        ("resource", "execution", "what", "started by", "since"),
        (
            (each.key, each.execution_id[:8], each.title, each.actor.name or each.actor.id, f"{each.since:%F %T}")
            for each in held
        ),
    )


GUARD_COMMANDS = (pause, unpause, locks)
