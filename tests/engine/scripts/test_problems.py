"""Findings in scripts as problems of the runbook, at the runbook's own lines."""

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
    found = list(script_problems(parse(RUNBOOK, name="x"), file="x.yaml"))

    assert [str(problem) for problem in found] == [
        'x.yaml:16:18 script of step "first", line 4: os.system() gives its text to a shell',
        f'x.yaml:16:29 script of step "first", line 4: {TEMPLATE}',
        f'x.yaml:24:61 script of step "inner", line 1: {HANDLER}',
        'x.yaml:27:21 the script of step "shell" is PowerShell, which is not scanned',
    ]
    assert [problem.severity for problem in found] == ["warning", "warning", "warning", "note"]


def test_calls_that_no_client_has_are_named() -> None:
    """A misspelt method fails in the middle of the night; here it is found before, with the name that was meant."""
    text = RUNBOOK.replace('return os.system("{{ Name }}{{ Safe }}{{ Size }}")', "__import__('boto3')")
    text = text.replace("import os", "import boto3; boto3.client('ecs').list_cluster()")

    found = [str(problem) for problem in script_problems(parse(text, name="x"), file="x.yaml")]

    assert found[0] == (
        'x.yaml:13:21 script of step "first", line 1: a client of ecs has no method "list_cluster". '
        'Did you mean "list_clusters"?'
    )
