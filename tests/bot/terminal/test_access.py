"""`playbook-bot access`, `pause` and `locks`: what they print, and how they end."""

import json
import textwrap
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from bot.cli import cli
from tests.bot.slack.rig import library

SETTINGS = """\
database_url: sqlite:///{root}/bot.db
playbooks: [playbooks]
use_library: false
aws_region: eu-west-1
access: access.yaml
people:
  - {{id: lee, name: Lee Park, slack: U01LEE}}
  - {{id: sam, name: Sam Reyes, slack: U02SAM, terminal: {login}}}
  - {{id: kim, slack: U03KIM}}
admins: [sam]
"""
ACCESS = """\
rules:
  - {who: lee, may: run, playbooks: restart}
  - {who: "*", rule: deny, playbooks: restart, parameters: {Size: large}, ask: "#dba"}
"""
CASES = """\
cases:
  - {who: lee, may: run, playbook: restart, parameters: {InstanceId: i-0abc}}
  - {who: lee, may_not: run, playbook: restart, parameters: {Size: large}}
  - {who: kim, may_not: run, playbook: nap}
"""


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings, playbooks and rules, where the commands are called."""
    library(tmp_path)
    (tmp_path / "playbook-bot.yaml").write_text(SETTINGS.format(root=tmp_path, login="tester"), encoding="utf-8")
    (tmp_path / "access.yaml").write_text(ACCESS, encoding="utf-8")
    (tmp_path / "cases.yaml").write_text(CASES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_name="tester"))
    return tmp_path


def call(*words: str) -> Result:
    """Call the program."""
    return CliRunner().invoke(cli, [*words])


def upgraded() -> None:
    """Make the database."""
    assert call("db", "upgrade").exit_code == 0


def test_explain_prints_every_rule() -> None:
    """The deciding one first; exit code 1 for what is refused."""
    upgraded()

    found = call("access", "explain", "lee", "restart", "InstanceId=i-0abc", "Size=large")

    assert found.output == textwrap.dedent("""\
        Lee Park may not run restart with InstanceId=i-0abc, Note=none, Size=large.
        => access.yaml:3: it denys *; Size = large – this one decides
         + access.yaml:2: it allows lee
         - admins of the settings: it is for sam
         - whoever started it: it is for starter
           Ask #dba.
        """)
    assert found.exit_code == 1


def test_explain_as_json() -> None:
    """For programs: whether, and each rule."""
    upgraded()

    found = call("access", "explain", "<@U01LEE>", "restart", "--json")

    assert found.exit_code == 0
    told = json.loads(found.output)
    assert told["allowed"] is True
    assert [each["rule"] for each in told["rules"] if each["decides"]] == ["access.yaml:2"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("leee", "restart"), '"leee" is nobody; did you mean "lee"?'),
        (("U0_NOT", "restart"), '"U0_NOT" is nobody; give an id of people, a Slack user id (U…) or an ARN'),
        (("lee", "restrat"), "There is no playbook `restrat`. Did you mean `restart`?"),
        (
            ("lee", "restart", "Bogus=1"),
            'restart has no parameter "Bogus". It takes InstanceId, Note, Size.',
        ),
        (
            ("lee", "restart", "size=large", "--verb", "stop"),
            'restart has no parameter "size". Did you mean "Size"? It takes InstanceId, Note, Size.',
        ),
    ],
)
def test_who_or_what_is_not_known_is_a_sentence(words: tuple[str, ...], says: str) -> None:
    """Exit code 2, and the name that was probably meant."""
    upgraded()

    found = call("access", "explain", *words)

    assert (found.exit_code, found.stderr.strip()) == (2, says)


def test_a_wrong_file_stops_every_command(at_home: Path) -> None:
    """With its place, as compilers say it."""
    upgraded()
    (at_home / "access.yaml").write_text("rules: [{who: leee}]", encoding="utf-8")

    found = call("access", "explain", "lee", "restart")

    assert found.exit_code == 2
    assert found.stderr.strip() == 'access.yaml:1:10 "leee" is nobody; did you mean "lee"?'


def test_cases_are_tried_without_a_database() -> None:
    """Nothing but the files is needed, so it runs in anybody's CI."""
    found = call("access", "test", "cases.yaml")

    assert found.output.splitlines() == [
        "ok    lee may run restart with InstanceId=i-0abc",
        "ok    lee may not run restart with Size=large",
        "ok    kim may not run nap",
        "3 cases, all as expected.",
    ]
    assert found.exit_code == 0


def test_a_case_that_fails_is_reported(at_home: Path) -> None:
    """On the terminal with its place, in JUnit as a failure; exit code 1."""
    (at_home / "cases.yaml").write_text(f"{CASES}  - {{who: kim, may: run, playbook: nap}}\n", encoding="utf-8")

    found = call("access", "test", "cases.yaml", "--junit", "report.xml")

    assert found.exit_code == 1
    assert "FAIL  kim may run nap\n      cases.yaml:5:5 kim may run nap: it is refused." in found.output
    suite = ET.parse(at_home / "report.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["kim may run nap"]


def test_pause_and_unpause() -> None:
    """The switch works from the terminal, and is told with the locks."""
    upgraded()

    paused = call("pause", "DNS", "is", "down")
    refused = call("run", "restart", "InstanceId=i-0abc")
    shown = call("locks", "--json")
    going_on = call("unpause")

    assert paused.output.startswith("Everything is paused by Sam Reyes since ")
    assert (refused.exit_code, "Everything is paused by Sam Reyes" in refused.stderr) == (2, True)
    assert json.loads(shown.output)["paused"] is not None
    assert going_on.output == "Everything goes on.\n"
    assert call("unpause").stderr.strip() == "Nothing is paused."
