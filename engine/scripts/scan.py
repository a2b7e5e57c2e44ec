"""What is dangerous in a script, or will not work here, told from its text alone: nothing of it is run. Pure.

Codes: SCR0 it cannot run, SCR1 it is dangerous, SCR2 it needs what a jailed script does not have. A line that ends in
`# nosec` is left alone, as bandit does.
"""

import ast
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from engine.scripts.danger import Finding, dangers

TEMPLATE: Final = re.compile(r"\{\{\s*([A-Za-z0-9_]+(?:[.:][A-Za-z0-9_]+)*)\s*\}\}")

PLACE_HOLDER: Final = re.compile(r"%%[A-Za-z][\w=./-]{0,80}%%")
"""A script that a build tool puts in its place later."""


def scan(source: str, *, runtime: str = "", handler: str = "", templates: Collection[str] = ()) -> tuple[Finding, ...]:
    """Everything found, in order. `templates` are the references `{{ name }}` that any text may be put in place of."""
    found = list(_templates(source, templates))
    try:
        tree = _parsed(source)
        found += [*_handler(tree, handler), *_too_new(source, runtime), *dangers(tree)]
    except SyntaxError as error:
        if PLACE_HOLDER.fullmatch(source.strip()):
            return ()
        text = f"the script is not valid Python: {error.msg}"
        found.append(Finding("SCR001", text, error.lineno or 1, error.offset or 1))
    except (ValueError, RecursionError, MemoryError) as error:
        found.append(Finding("SCR001", f"the script cannot be read: {error}", 1, 1))
    return _ordered(source, found)


def _parsed(source: str, version: int | None = None) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, feature_version=(3, version) if version else None)


def _ordered(source: str, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    lines = source.split("\n")
    kept = {f for f in findings if not (0 < f.line <= len(lines) and lines[f.line - 1].rstrip().endswith("# nosec"))}
    return tuple(sorted(kept, key=lambda finding: (finding.line, finding.column, finding.code)))


def _templates(source: str, templates: Collection[str]) -> Iterator[Finding]:
    """Values that become code: whoever gives them writes the script."""
    for found in TEMPLATE.finditer(source):
        if found.group(1) in templates:
            line, column = _place(source, found.start())
            text = f"{found.group()} is put into the code as it is; give it to the script through InputPayload"
            yield Finding("SCR110", text, line, column)


def _place(source: str, index: int) -> tuple[int, int]:
    return source.count("\n", 0, index) + 1, index - source.rfind("\n", 0, index)


def _handler(tree: ast.Module, handler: str) -> Iterator[Finding]:
    name = handler.rpartition(".")[2]
    if not name or "{{" in handler:
        return
    known = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    known |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    known |= {
        a.asname or a.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.ImportFrom, ast.Import))
        for a in node.names
    }
    if name not in known and "*" not in known:
        yield Finding("SCR002", f'the script has no function "{name}", which the step names as its Handler', 1, 1)


def _too_new(source: str, runtime: str) -> Iterator[Finding]:
    version = re.fullmatch(r"python3\.(\d+)", runtime.strip().lower())
    if version is None:
        return
    try:
        _parsed(source, int(version.group(1)))
    except SyntaxError as error:
        text = f"{runtime} does not understand this: {error.msg}"
        yield Finding("SCR003", text, error.lineno or 1, error.offset or 1)
