"""`playbook-bot runbook test`: rehearsals of runbooks, without AWS and without waiting."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click

from bot.rehearsing import REHEARSAL, Unreadable, homes_in, read_home
from bot.terminal.answers import NOT_SUCCESSFUL, print_json, refuse, sentences
from bot.terminal.files import write_xml
from engine.rehearsal import Played


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One folder: its rehearsals, or why they could not be read."""

    home: Path
    played: tuple[Played, ...] = ()
    refused: str = ""

    @property
    def failures(self) -> int:
        """How many did not go as expected; a folder that cannot be read is one."""
        return sum(bool(each.problems) for each in self.played) + bool(self.refused)


@click.command("test")
@click.argument(
    "folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="FOLDER…"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Also write a JUnit report.")
@sentences
def rehearse(folders: tuple[Path, ...], *, as_json: bool, junit: Path | None) -> None:
    """Play the rehearsals of every runbook in the folders: no AWS, no account, no waiting."""
    homes = [home for folder in folders for home in homes_in(folder)]
    if not homes:
        refuse(f"there is no {REHEARSAL} in {', '.join(str(folder) for folder in folders)}")
    found = [_rehearsed(home) for home in homes]
    if junit is not None:
        _write_junit(found, junit)
    if as_json:
        print_json(_plain(found))
    else:
        _tell(found)
    sys.exit(NOT_SUCCESSFUL if any(each.failures for each in found) else 0)


def _rehearsed(folder: Path) -> Rehearsed:
    try:
        home = read_home(folder)
    except Unreadable as error:
        return Rehearsed(folder, refused=str(error))
    return Rehearsed(folder, tuple(home.play(rehearsal) for rehearsal in home.rehearsals))


def _tell(found: Sequence[Rehearsed]) -> None:
    for each in found:
        click.echo(each.home.resolve().name)
        for line in each.refused.splitlines():
            click.echo(f"  {line}")
        for played in each.played:
            click.echo(f"  {'FAIL' if played.problems else 'ok  '}  {played.rehearsal.name}")
            for problem in played.problems:
                click.echo(f"        {problem}")
    total, failed = sum(len(each.played) for each in found), sum(each.failures for each in found)
    click.echo(f"{total} rehearsals, {failed} not as expected." if failed else f"{total} rehearsals, all as expected.")


def _plain(found: Sequence[Rehearsed]) -> dict[str, Any]:
    return {
        "rehearsals": [
            {
                "runbook": each.home.resolve().name,
                "name": played.rehearsal.name,
                "passed": not played.problems,
                "status": str(played.state.status) if played.state else "",
                "steps": [{"name": step.name, "status": str(step.status)} for step in played.state.steps]
                if played.state
                else [],
                "problems": [str(problem) for problem in played.problems],
            }
            for each in found
            for played in each.played
        ],
        "refused": {str(each.home): each.refused for each in found if each.refused},
        "passed": not any(each.failures for each in found),
    }


def _write_junit(found: Sequence[Rehearsed], path: Path) -> None:
    """A report as CI systems read it: a suite for each runbook, a case for each rehearsal."""
    root = ET.Element("testsuites")
    for each in found:
        name = each.home.resolve().name
        cases = max(len(each.played), 1)
        suite = ET.SubElement(root, "testsuite", name=name, tests=str(cases), failures=str(each.failures))
        if each.refused:
            case = ET.SubElement(suite, "testcase", classname=name, name="the files can be read")
            ET.SubElement(case, "failure", message=each.refused.splitlines()[0]).text = each.refused
        for played in each.played:
            case = ET.SubElement(suite, "testcase", classname=name, name=played.rehearsal.name)
            if played.problems:
                text = "\n".join(str(problem) for problem in played.problems)
                ET.SubElement(case, "failure", message=str(played.problems[0].message)).text = text
    write_xml(path, root)
