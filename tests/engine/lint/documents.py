"""Small runbooks to lint: pieces that are right, to which a test adds what is wrong."""

import textwrap

from engine.document import Problem
from engine.lint.linting import lint

HEAD = "schemaVersion: '0.3'\ndescription: A test\n"
STEP = "- name: {name}\n  action: {action}\n"


def problems(text: str, *, name: str = "Test", file: str = "t.yaml") -> list[Problem]:
    """Everything the linter finds."""
    return list(lint(textwrap.dedent(text), name=name, file=file).problems)


def codes(text: str) -> list[str]:
    """The codes found, in order."""
    return [problem.code for problem in problems(text)]


def of_code(code: str, text: str) -> list[str]:
    """`line:column message` of every problem of one code."""
    return [
        f"{each.position.line}:{each.position.column} {each.message}"
        for each in problems(text)
        if each.code == code and each.position is not None
    ]


def steps(text: str, *, role: bool = True) -> str:
    """A document around steps that begin in line 5 (`role` = an assumeRole in line 3)."""
    third = "assumeRole: arn:aws:iam::123456789012:role/R\n" if role else "# no role\n"
    return f"{HEAD}{third}mainSteps:\n{textwrap.dedent(text).strip()}\n"


def call(inputs: str, outputs: str = "") -> str:
    """A document with one aws:executeAwsApi, named `a`; its inputs are one flow map, beginning in line 7 column 11."""
    lines = f"- name: a\n  action: aws:executeAwsApi\n  inputs: {{{inputs}}}\n"
    return steps(lines + (f"  outputs: [{outputs}]\n" if outputs else ""))


def script(source: str, *, runtime: str = "python3.11", role: bool = True) -> str:
    """A document with one script, whose first line is line 11 column 7."""
    lines = (
        f"- name: a\n  action: aws:executeScript\n  inputs:\n    Runtime: {runtime}\n    Handler: go\n    Script: |\n"
        + textwrap.indent(textwrap.dedent(source).strip("\n"), "      ")
    )
    return steps(lines, role=role)
