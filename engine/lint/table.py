"""docs/lint.md, made from the rules: `python -m engine.lint.table > docs/lint.md`."""

import sys
from collections.abc import Iterator

from engine.lint.rule import Family
from engine.lint.rules import FAMILIES

HEAD = """\
# Linting runbooks

<!-- Made from the rules by `python -m engine.lint.table`; a test keeps it so. -->

    playbook-bot runbook lint FILE|FOLDER|-… [--format text|json|sarif|github] [--strict] [--ignore CODE] [--no-notes]

Every problem has a place (`file:line:column`), a code that never changes its meaning, and a sentence that says what
would be right. A folder is searched for runbooks (`*.yaml`, `*.yml`, `*.json`), `-` is standard input.

- **error**: AWS would refuse the document at CreateDocument, and so does this bot.
- **warning**: it would be taken, and goes wrong, or may. `--strict` makes warnings count, `--ignore CODE` leaves one
  out.
- **note**: good to know. `--no-notes` leaves them out.

Exit codes: 0 no errors, 1 errors found, 2 wrong usage or a file that cannot be opened.

Nothing is called and nothing is run: names, inputs and selectors of AWS calls are checked against the models that
botocore carries, scripts are read and not executed. Our own scan of scripts always runs; bandit and ruff are asked,
too, where they are installed (`pip install bandit ruff`), and the answer says which of them was missing.

What is meant as it is can say so in its line: `# lint: ignore CODE` leaves out a warning or note there, errors never;
a line of a script that ends in `# nosec` is left alone by the scan.

In GitHub Actions, `--format github` puts each problem beside its line; `--format sarif` is for code scanning:

    - run: playbook-bot runbook lint runbooks --format sarif > lint.sarif
    - uses: github/codeql-action/upload-sarif@v3
      with: {sarif_file: lint.sarif}
"""


def markdown() -> str:
    """The whole page."""
    return HEAD + "".join(f"\n## {family.name}\n\n" + "\n".join(_rows(family)) + "\n" for family in FAMILIES)


def _rows(family: Family) -> Iterator[str]:
    yield "| code | | what it says | what would be right |"
    yield "|---|---|---|---|"
    for rule in family.rules:
        yield f"| {rule.code} | {rule.severity} | {_cell(rule.title)} | {_cell(rule.advice)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(markdown())
