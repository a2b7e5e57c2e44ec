"""How a document is written: traps of YAML, braces that are no reference, and what it says of itself. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from engine.document import Path
from engine.expressions import REFERENCE
from engine.lint.rule import Family, Found, note, warning
from engine.lint.subject import PLACE_HOLDER, Subject, texts_in
from infra.canonical import Json, encoded

LARGEST_BYTES: Final = 65_536
_BRACES: Final = re.compile(r"\{\{(?P<inside>[^{}\n]{0,80})\}\}")
_NEARLY: Final = re.compile(r"\s*(?P<sign>\$\.?)?(?P<name>[A-Za-z0-9_]+(?:[-.:\s/][A-Za-z0-9_]+)*)\s*")
_STORE: Final = re.compile(r"\s*ssm(?:-secure)?:")

TRAPS: Final = Family(
    "Traps of YAML",
    (
        warning("SRC008", "a key stands twice in the same map; the last one counts", "keep one of them"),
        warning("SRC101", "an anchor (`&name`); SSM does not support them", "write the value out where it is needed"),
        warning(
            "SRC102",
            "a bare word that other readers of YAML take for a Boolean, a date or a number (on, yes, 0123, 12:30)",
            "put it in quotes",
        ),
        warning("SRC103", "a bare number that is not written as it is read (1.10, 1e3)", "put it in quotes"),
    ),
)


def _check(subject: Subject) -> Iterator[Found]:
    tree, document = subject.document.tree, subject.document
    if not isinstance(tree.get("schemaVersion"), str):
        yield Found("DOC101", "schemaVersion is a number here; write it in quotes: '0.3'", ("schemaVersion",))
    size = len(encoded(document.text))
    if size > LARGEST_BYTES:
        text = f"the file has {size:,} bytes; AWS counts at most {LARGEST_BYTES:,}, so upload it without its layout"
        yield Found("DOC102", text, ())
    if not document.description.strip():
        yield Found("DOC103", "the document has no description: whoever starts it does not know what it does", ())
    holder = next((text for text in texts_in(dict(tree)) if PLACE_HOLDER.search(text)), "")
    if holder:
        found = PLACE_HOLDER.search(holder)
        shown = found[0] if found else ""
        yield Found("DOC104", f'place-holders such as "{shown}" stand here; SSM does not replace them', ())
    for step, path in subject.steps:
        for place, text in _texts(dict(step.inputs), (*path, "inputs")):
            if place[-2:] != ("inputs", "Script"):
                yield from _braces(text, place)
        yield from _keys(dict(step.inputs), (*path, "inputs"))


def _texts(value: Json, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str) and ("{{" in value or "}}" in value):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _braces(text: str, path: Path) -> Iterator[Found]:
    """Braces that were meant as a reference and are none."""
    for found in _BRACES.finditer(text):
        inside = found["inside"]
        if REFERENCE.fullmatch(found[0]) or _STORE.match(inside):
            continue
        near = _NEARLY.fullmatch(inside)
        if near is not None:
            said = f'"{found[0]}" is no reference and stays as it is; names have letters, digits and _ only'
            yield Found("REF105", f"{said}{_meant(near)}", path)
    if text.count("{{") > text.count("}}") and REFERENCE.sub("", text).count("{{") == 1 and len(text) <= 200:
        yield Found("REF106", f'the braces of "{text.strip()}" are not closed with "}}}}"', path)


def _meant(near: re.Match[str]) -> str:
    if near["sign"]:
        return f'. Did you mean "{{{{ {near["name"]} }}}}"?'
    return ""


def _keys(value: Json, path: Path) -> Iterator[Found]:
    if isinstance(value, dict):
        for key, item in value.items():
            if REFERENCE.search(key):
                yield Found("REF107", f'the key "{key}" keeps its braces: references are replaced in values only', path)
            yield from _keys(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _keys(item, (*path, index))


FAMILY: Final = Family(
    "How it is written",
    (
        warning("DOC101", "schemaVersion is a bare number", "put it in quotes: `'0.3'`"),
        warning("DOC102", "the file is larger than 64 KB as it is written", "upload it without layout, or shorten it"),
        note("DOC103", "the document has no description"),
        note(
            "DOC104",
            "place-holders of another tool (`%%NAME%%`) stand in the document",
            "replace them before it is uploaded",
        ),
        warning("REF105", "braces that are no reference (a hyphen, a `$`, a blank in the name)", "`{{ name }}`"),
        warning("REF106", "braces that are not closed"),
        warning("REF107", "a reference in a key, where it is not replaced"),
    ),
    _check,
)
