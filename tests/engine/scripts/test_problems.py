"""Findings in scripts as problems of the runbook, at the runbook's own lines."""

import pytest

from engine.scripts import bandit
from engine.scripts.problems import script_problems
from engine.validation import parse

RUNBOOK = """\
schemaVersion: '0.3'
parameters:
  Name: {type: String}
  Safe: {type: String, allowedPattern: '^[a-z]+$'}
  Size: {type: Integer}
mainSteps:
- name: first
  action: aws:executeScript
  inputs:
    Runtime: python3.8
    Handler: go
    Script: |
      import os

      def go(events, context):
          return os.system("{{ Name }}{{ Safe }}{{ Size }}")
- name: loop
  action: aws:loop
  inputs:
    Iterators: [1]
    Steps:
    - name: inner
      action: aws:executeScript
      inputs: {Runtime: python3.11, Handler: gone, Script: "def go(): pass"}
- name: shell
  action: aws:executeScript
  inputs: {Runtime: PowerShell 7.4, Script: "Write-Output 1"}
"""
TEMPLATE = "{{ Name }} is put into the code as it is; give it to the script through InputPayload"
HANDLER = 'the script has no function "gone", which the step names as its Handler'


def test_findings_stand_at_the_runbooks_lines() -> None:
    """Each finding names its step, and its line in the script and in the file."""
    found = list(script_problems(parse(RUNBOOK, name="x"), file="x.yaml", with_bandit=False))

    assert [str(problem) for problem in found] == [
        'x.yaml:16:18 script of step "first", line 4: os.system() gives its text to a shell',
        f'x.yaml:16:29 script of step "first", line 4: {TEMPLATE}',
        f'x.yaml:24:61 script of step "inner", line 1: {HANDLER}',
    ]
    assert {problem.severity for problem in found} == {"warning"}


def test_bandit_adds_what_it_knows() -> None:
    """Where bandit is installed, its own rules are asked, too; ours go before on the same line."""
    if not bandit.is_available():
        pytest.skip("bandit is not installed")
    text = RUNBOOK.replace('return os.system("{{ Name }}{{ Safe }}{{ Size }}")', "cursor.execute('SELECT %s' % events)")

    codes = [problem.code for problem in script_problems(parse(text, name="x"))]

    assert codes == ["B608", "SCR002"]


def test_works_without_bandit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setattr(bandit, "_library", lambda: None)

    assert bandit.findings("eval(x)") == []
    assert not bandit.is_available()
