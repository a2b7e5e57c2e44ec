"""Other people's scanners: asked where they are installed, named where they are not."""

import importlib.util

import pytest

from engine.document import Document
from engine.scripts import bandit, ruff, tools
from engine.scripts.danger import Finding
from engine.validation import parse

INJECTION = "def go(e, c):\n    db.execute('SELECT * FROM x WHERE y = %s' % e)\n"
needs_bandit = pytest.mark.skipif(importlib.util.find_spec("bandit") is None, reason="bandit is not installed")
needs_ruff = pytest.mark.skipif(not ruff.is_available(), reason="ruff is not installed")


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with neither scanner."""
    monkeypatch.setattr(bandit, "_library", lambda: None)
    monkeypatch.setattr(ruff, "_command", lambda: ())


def document(source: str) -> Document:
    """A runbook with one script, at line 8 column 7."""
    indented = "".join(f"      {line}\n" for line in source.splitlines())
    return parse(
        "schemaVersion: '0.3'\nmainSteps:\n- name: a\n  action: aws:executeScript\n  inputs:\n    Runtime: python3.11\n"
        f"    Script: |\n{indented}    Handler: go\n",
        name="x",
    )


@needs_ruff
def test_ruff_finds_beyond_our_own_pass() -> None:
    """Its S rules, but for those that our pass has or that are noise in runbooks."""
    found = ruff.findings([INJECTION, "import random\nassert random.random()\nexec(x)", ""])

    assert [[(each.code, each.line) for each in script] for script in found] == [[("S608", 2)], [], []]


@needs_bandit
def test_bandit_finds_beyond_our_own_pass() -> None:
    """The same of bandit."""
    assert [(each.code, each.line) for each in bandit.findings(INJECTION)] == [("B608", 2)]
    assert bandit.findings("exec(x)") == []


def test_findings_stand_at_the_runbooks_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the same script stands; what both scanners find counts once."""
    monkeypatch.setattr(bandit, "findings", lambda source: [Finding("B608", "bad", 2, 5)])
    monkeypatch.setattr(ruff, "findings", lambda sources: [[Finding("S608", "bad", 2, 5)] for _ in sources])

    found = list(tools.tool_problems([(document(INJECTION), "a.yaml"), (document(INJECTION), "b.yaml")]))

    assert [str(problem) for problem in found] == [
        'a.yaml:9:11 script of step "a", line 2: bad',
        'b.yaml:9:11 script of step "a", line 2: bad',
    ]
    assert {problem.severity for problem in found} == {"warning"}


@pytest.mark.usefixtures("nothing_installed")
def test_what_is_missing_is_said() -> None:
    """Silence of a scanner that is not there is no safety."""
    assert tools.missing() == ("bandit", "ruff")
    assert list(tools.tool_problems([(document(INJECTION), "a.yaml")])) == []


def test_a_scanner_that_breaks_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A linter that cannot be started does not stop ours."""
    monkeypatch.setattr(ruff, "_command", lambda: ("/nonexistent/ruff",))

    assert ruff.findings([INJECTION]) == [[]]
