"""`playbook-bot away | back`: who is not to be asked for a while, from the terminal."""

import click

from bot.service import Service
from bot.terminal.answers import print_table, sentences
from infra.login import login
from playbooks.absences import moment_of
from playbooks.people import Identity
from playbooks.refusals import Refused


@click.command()
@click.argument("person", default="")
@click.option("--until", default="", help="The day, or the moment, of coming back; without an offset in UTC.")
@click.option("--from", "since", default="", help="The first day; without it from now on.")
@click.option("--instead", default="", help="Who stands in, where the playbook lets an answer be handed to them.")
@sentences
def away(person: str, *, until: str, since: str, instead: str) -> None:
    """Say that you are away, or as an admin that PERSON is; without --until show who is or will be."""
    with Service.opened() as service:
        if not until:
            _show(service)
            return
        by = service.directory.terminal(login())
        who = _named(service, person) if person else by
        other = _named(service, instead).id if instead else ""
        begin = moment_of(since) if since else None
        found = service.operations.leave(who, moment_of(until), by=by, since=begin, instead=other)
    click.echo(f"{found.name} is {found.words}.")


@click.command()
@click.argument("person", default="")
@sentences
def back(person: str) -> None:
    """Say that you are back, or as an admin that PERSON is."""
    with Service.opened() as service:
        by = service.directory.terminal(login())
        who = _named(service, person) if person else by
        service.operations.come_back(who, by=by)
    click.echo(f"{who.name or who.id} is asked again.")


def _named(service: Service, name: str) -> Identity:
    """Somebody of the table. Raises Refused."""
    found = service.directory.of_person(name)
    if found is None:
        raise Refused(f"`{name}` is not in people; name somebody by their id there.")
    return found


def _show(service: Service) -> None:
    rows = (
        (
            each.name,
            f"{each.since:%F %H:%M}",
            f"{each.until:%F %H:%M}",
            each.instead,
            "settings" if each.is_settled else "here",
        )
        for each in service.absences.known()
    )
    print_table(("who", "from", "until", "stands in", "where it is said"), rows)


ABSENCE_COMMANDS = (away, back)
