"""`playbook-bot access explain | test`: who may do what, rule by rule, and a team's cases of it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast
from xml.etree import ElementTree as ET

import click

from bot.service import Service
from bot.terminal.answers import NOT_SUCCESSFUL, parse_pairs, print_json, refuse, sentences
from bot.terminal.files import write_xml
from infra.settings import load
from playbooks.access import VERBS, Verb
from playbooks.access_cases import Tried, nobody, person, try_cases
from playbooks.access_words import headline, lines, plain
from playbooks.typed import typed_values

MARKS: Final = {"decides": "=>", "matches": " +", "not": " -", "info": "  "}


@click.group()
def access() -> None:
    """Who may see, run, stop and approve what."""


@access.command()
@click.argument("user")
@click.argument("playbook")
@click.argument("parameters", nargs=-1, metavar="[PARAMETER=VALUE]...")
@click.option("--verb", type=click.Choice(VERBS), default="run", show_default=True, help="What the person wants to do.")
@click.option("--channel", default=None, help="Id of the channel in which it is said; default: any.")
@click.option("--region", default="", help="Where it would run; default: any.")
@click.option("--account", default="", help="In which account; default: any.")
@click.option("--group", "groups", multiple=True, help="A Slack user group that the person is in; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@sentences
def explain(
    user: str,
    playbook: str,
    parameters: tuple[str, ...],
    *,
    verb: str,
    channel: str | None,
    region: str,
    account: str,
    groups: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say whether a person may run a playbook with these values, and print every rule; exit code 1 when not."""
    with Service.opened() as service:
        by = person(user, service.directory, groups=groups)
        if by is None:
            refuse(nobody(user, service.directory))
        values = typed_values(service.queries.playbook(playbook).parameters, parse_pairs(parameters))
        why = service.operations.guarding.why(
            by, playbook, values, channel=channel, region=region, account=account, verb=cast("Verb", verb)
        )
    if as_json:
        tried = plain(why.tried) if why.tried else None
        print_json({**plain(why.decision), "learning": tried, "obstacles": why.obstacles})
    else:
        click.echo(headline(why, by.name or user))
        for mark, text in lines(why):
            click.echo(f"{MARKS[mark]} {text}")
    sys.exit(0 if why.decision.is_allowed else NOT_SUCCESSFUL)


@access.command("test")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Also write a JUnit report.")
@sentences
def test_cases(file: Path, *, as_json: bool, junit: Path | None) -> None:
    """Try a file of cases on the access rules: no database, no Slack, no AWS."""
    service = Service(load())
    found = try_cases(file, service.guard_rules.access, service.catalog, service.directory)
    if junit is not None:
        _write_junit(found, file.name, junit)
    if as_json:
        print_json(
            [
                {"name": each.name, "place": each.place, "passed": each.is_expected, **plain(each.decision)}
                for each in found
            ]
        )
    else:
        _tell(found)
    sys.exit(0 if all(each.is_expected for each in found) else NOT_SUCCESSFUL)


def _tell(found: Sequence[Tried]) -> None:
    for each in found:
        click.echo(f"{'ok  ' if each.is_expected else 'FAIL'}  {each.name}")
        if each.problem:
            click.echo(f"      {each.problem}")
    failed = sum(not each.is_expected for each in found)
    click.echo(f"{len(found)} cases, {failed} not as expected." if failed else f"{len(found)} cases, all as expected.")


def _write_junit(found: Sequence[Tried], name: str, path: Path) -> None:
    """A report as CI systems read it."""
    failures = str(sum(not each.is_expected for each in found))
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", name=name, tests=str(len(found)), failures=failures)
    for each in found:
        case = ET.SubElement(suite, "testcase", classname=name, name=each.name)
        if each.problem:
            ET.SubElement(case, "failure", message=each.problem).text = each.problem
    write_xml(path, root)
