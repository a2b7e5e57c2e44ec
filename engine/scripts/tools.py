"""Other people's scanners over the scripts of many runbooks: bandit and ruff, where they are installed.

Neither is needed to run the bot; which of them was missing is said, so that nobody takes silence for safety.
"""

from collections.abc import Iterator, Sequence

from engine.document import Document, Path, Problem, Step
from engine.scripts import bandit, ruff
from engine.scripts.danger import Finding
from engine.scripts.problems import at_line, python_scripts

Place = tuple[Document, str, Step, Path]


def missing() -> tuple[str, ...]:
    """The scanners that are not installed."""
    return tuple(name for name, tool in (("bandit", bandit), ("ruff", ruff)) if not tool.is_available())


def tool_problems(documents: Sequence[tuple[Document, str]]) -> Iterator[Problem]:
    """What the scanners find in the scripts of documents (each with its file); every script is scanned once."""
    places: dict[str, list[Place]] = {}
    for document, file in documents:
        for step, path, source in python_scripts(document):
            places.setdefault(source, []).append((document, file, step, path))
    sources = list(places)
    for source, of_ruff in zip(sources, ruff.findings(sources), strict=True):
        found = _once([*bandit.findings(source), *of_ruff])
        for document, file, step, path in places[source]:
            for finding in found:
                yield at_line(document, step, path, finding, file=file)


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """Ruff's rules are bandit's, by number: what both find counts once."""
    seen: dict[tuple[str, int], Finding] = {}
    for finding in findings:
        seen.setdefault((finding.code[1:], finding.line), finding)
    return list(seen.values())
