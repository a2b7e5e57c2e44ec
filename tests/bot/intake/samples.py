"""Where messages to try come from: the tests' own, and a corpus beside the repository."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
OURS = ROOT / "tests" / "samples"


def sample(name: str) -> dict[str, Any]:
    """One of the tests' own messages."""
    found: dict[str, Any] = json.loads((OURS / f"{name}.json").read_text(encoding="utf-8"))
    return found


@cache
def corpus() -> tuple[Path, ...]:
    """The corpus's messages; skips the test, and says why, where there are none."""
    folder = Path(os.environ.get("PLAYBOOK_BOT_CORPUS", ROOT / ".." / "shared" / "corpus")) / "alarms"
    found = tuple(sorted(folder.glob("*.json")))
    if not found:
        pytest.skip(f"no alarm messages in {folder}; set PLAYBOOK_BOT_CORPUS to try the corpus")
    return found
