"""The corpus of real runbooks, where it is there: the folder that PLAYBOOK_BOT_CORPUS names."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("PLAYBOOK_BOT_CORPUS", str(ROOT / "../shared/corpus")))

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus of runbooks at {CORPUS}")


def runbooks(*folders: str) -> list[tuple[str, str]]:
    """(file name, text) of every runbook below the folders, in order."""
    paths = [path for folder in folders for path in sorted((CORPUS / folder).rglob("*"))]
    return [(path.name, path.read_text(encoding="utf-8")) for path in paths if path.suffix in (".json", ".yaml")]
