"""A place in a script is found in the runbook's file, however the script is written there."""

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.document import Position
from engine.scripts.lines import in_file
from engine.source import read

LINES = st.lists(st.text("abc xyz'\"\\{}:#-%é\t", max_size=12), min_size=1, max_size=8)


def place_of(text: str, line: int, column: int) -> str:
    """What stands in the file where the script has this place."""
    source = read(text)
    found = in_file(text, source.positions["a", 0, "Script"], line, column)
    return text.split("\n")[found.line - 1][found.column - 1 :]


def shown(letter: str, written: str) -> bool:
    """Whether a letter is what is written there, perhaps escaped."""
    return written.startswith((letter, "\\", "''")) or letter == "\t"


@pytest.mark.parametrize("style", ["json", "json-lines", "|", "|-", "|2", '"', "'"])
@given(lines=LINES)
def test_finds_the_place(style: str, lines: list[str]) -> None:
    """The letter at a line and column of the script is the letter at the place in the file."""
    script = "\n".join(["def go():", *lines, "end"])
    text = written(script, style)
    if text is None:
        return
    tree: Any = read(text).tree
    assert tree["a"][0]["Script"].rstrip("\n") == script

    for number, line in enumerate(script.split("\n"), 1):
        for column, letter in enumerate(line, 1):
            assert shown(letter, place_of(text, number, column)), (text, number, column)


def written(script: str, style: str) -> str | None:
    """The script in a small document; None where the style cannot say it."""
    tree = {"a": [{"Script": script}]}
    if style.startswith("json"):
        return json.dumps(tree, indent=2 if style == "json-lines" else None)
    if style.startswith("|"):
        if re.search(r"[\t\x00-\x08]", script) or "\n\n" in script:
            return None
        header, indent = ("|4", " " * 8) if style == "|2" else (style, " " * 6)
        body = "\n".join(f"{indent}{line}" for line in script.split("\n"))
        return f"a:\n  - name: x\n    Script: {header}\n{body}\n"
    return str(yaml.safe_dump(tree, default_style=style, width=40, allow_unicode=True))


def test_falls_back_to_the_beginning() -> None:
    """Folded and plain texts do not keep lines: their beginning is the place."""
    start = Position(1, 4)

    assert in_file("a: plain text", start, 1, 3) == start
    assert in_file("a: 'x'", start, 5, 1) == start
    assert in_file("", Position(9, 9), 1, 1) == Position(9, 9)
