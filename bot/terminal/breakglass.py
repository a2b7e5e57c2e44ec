"""`playbook-bot breakglass report`: the week's break-glass, from the terminal."""

from dataclasses import asdict
from zoneinfo import ZoneInfo

import click

from bot.service import Service
from bot.terminal.answers import print_json, sentences
from infra.settings_model import BreakGlassReportEntry
from playbooks.breakglass import BreakGlassLine, NoSuchWeek, last_week, week_named


@click.group()
def breakglass() -> None:
    """What was decided alone in an emergency."""


@breakglass.command()
@click.option("--week", "name", default="", help="Such as 2026-W48; without it the last one that is over.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@sentences
def report(*, name: str, as_json: bool) -> None:
    """Show who broke the glass in a week, where and why, what came of it, and who has reviewed it."""
    with Service.opened() as service:
        zone = ZoneInfo((service.settings.breakglass_report or BreakGlassReportEntry()).timezone)
        try:
            week = week_named(name, zone) if name else last_week(service.clock(), zone)
        except NoSuchWeek as error:
            raise click.BadParameter(str(error), param_hint="--week") from error
        found = service.queries.breakglass(week)
    if as_json:
        print_json({**asdict(found), "headline": found.headline})
        return
    click.echo(found.headline)
    for title, lines in (("", found.lines), ("From earlier weeks, still to be reviewed:", found.earlier)):
        if title and lines:
            click.echo(title)
        for each in lines:
            click.echo(_line(each))


def _line(each: BreakGlassLine) -> str:
    who = each.actor.name or each.actor.id
    what = f"{each.title or each.execution_id} ({each.execution_id[:8]})"
    place = f" in {each.place}" if each.place else ""
    how = "" if each.reviewed_by else f": playbook-bot review {each.request_id} --note TEXT"
    return (
        f"{each.at:%F %H:%M} {who}: {what} on {each.target}{place}, {each.outcome or 'gone'}\n"
        f'    "{each.reason}"\n    {each.review}{how}'
    )
