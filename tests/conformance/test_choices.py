"""The list of choices in the documentation: complete, and each at the place it names."""

import importlib
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
ROW = re.compile(r"^\| (\d+) \| .+ \| .+ \| `([\w.]+)(?::(\w+))?` \| .+ \|$", re.MULTILINE)


def test_every_choice_names_a_place_that_exists() -> None:
    """Forty choices, numbered, each made in one module by one name."""
    rows = ROW.findall(PAGE.read_text())

    assert [int(number) for number, _, _ in rows] == list(range(1, 41))
    for number, module, name in rows:
        found = importlib.import_module(module)
        assert not name or hasattr(found, name), number
