"""How long parsing and linting take per document, on one core.

    python -m benchmarks.lint [FOLDER…]

Without a folder: the runbooks of the library. The first document of a service pays for its botocore model; the figures
say so by giving the whole as well as the middle one.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engine.document import Document, RunbookRefused
from engine.lint.linting import lint
from engine.scripts.tools import missing, tool_problems
from engine.validation import examine

LIBRARY = Path(__file__).parents[1] / "playbooks" / "library"
GOAL = 30.0
"""Seconds for 1,000 documents."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Parse and lint runbooks, and say how long it took.")
    parser.add_argument("folders", nargs="*", type=Path, default=[LIBRARY])
    texts = list(_texts(parser.parse_args().folders))
    print(f"{len(texts)} documents, {sum(map(len, texts)):,} characters")
    _measured("parse", texts, _parsed)
    documents: list[Document] = []
    seconds = _measured("lint", texts, lambda text: documents.extend(_linted(text)))
    began = time.perf_counter()
    found = list(tool_problems([(document, "x") for document in documents]))
    tools = time.perf_counter() - began
    print(f"scanners: {tools:.2f} s, {len(found)} findings; missing: {', '.join(missing()) or 'none'}")
    print(f"1,000 documents: {(seconds + tools) / len(texts) * 1000:.1f} s (goal: under {GOAL:.0f} s)")


def _texts(folders: Sequence[Path]) -> Iterator[str]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".yaml", ".yml", ".json") and path.is_file():
                text = path.read_text(encoding="utf-8", errors="replace")
                if "schemaVersion" in text:
                    yield text


def _parsed(text: str) -> None:
    try:
        examine(text, name="x")
    except RunbookRefused:
        return


def _linted(text: str) -> list[Document]:
    found = lint(text, name="x").document
    return [found] if found is not None else []


def _measured(what: str, texts: Sequence[str], work: Callable[[str], object]) -> float:
    """CPU seconds for all of them; prints the middle one and the slowest, too."""
    each: list[float] = []
    for text in texts:
        began = time.process_time()
        work(text)
        each.append(time.process_time() - began)
    middle, worst = statistics.median(each) * 1000, max(each) * 1000
    print(f"{what}: {sum(each):.2f} s in all, {middle:.1f} ms the middle one, {worst:.0f} ms the slowest")
    return sum(each)


if __name__ == "__main__":
    main()
