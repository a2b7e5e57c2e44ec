"""What a model finds wrong in a file that people write: each with its place, and what would be right. Pure."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from engine.document import Path, Problem
from engine.source import Source

LONGEST_SHOWN = 80


def model_problems(
    error: ValidationError, source: Source, model: type[BaseModel], *, code: str, expected: Mapping[str, str]
) -> list[Problem]:
    """One problem for each finding; `expected` says by key what would be right, "" for the file as a whole."""
    found: dict[tuple[Path, str], Problem] = {}
    for detail in error.errors(include_url=False):
        problem = _problem(detail, source, model, code=code, expected=expected)
        found.setdefault((problem.path, problem.message), problem)
    return list(found.values())


def _problem(detail: Any, source: Source, model: type[BaseModel], *, code: str, expected: Mapping[str, str]) -> Problem:
    place = _in_file(tuple(detail["loc"]), source)
    if detail["type"] == "extra_forbidden":
        key, known = str(place[-1]), known_keys(model, place[:-1])
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
        hint = f' Did you mean "{near[0]}"?' if near else f" Known are: {', '.join(known)}."
        return source.problem(code, f'Unknown property "{key}".{hint}', place)
    if detail["type"] == "missing":
        return source.problem(code, f'"{detail["loc"][-1]}" is missing', place)
    keys = [part for part in place if isinstance(part, str)]
    wanted = next((expected[key] for key in reversed(keys or [""]) if key in expected), "")
    is_ours = detail["type"] == "value_error"
    message = str(detail["msg"]).removeprefix("Value error, ")
    said = f"{message[:1].lower()}{message[1:]}" if is_ours or not wanted else ""
    sentence = "; ".join(part for part in (said, f"should be {wanted}" if wanted else "") if part)
    given = str(detail.get("input"))
    shown = given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}…"
    where = ".".join(keys) or "the file"
    return source.problem(code, f'{where}: {sentence}; it is "{shown}"', place)


def _in_file(place: Path, source: Source) -> Path:
    """The part of a model's place that the file has: names of union members and the like are the model's own."""
    found: list[str | int] = []
    for part in place:
        if (*found, part) in source.positions:
            found.append(part)
    return tuple(found)


def known_keys(model: type[BaseModel], place: Path) -> list[str]:
    """The keys that the model at a place of the file has."""
    found = model
    for part in place:
        fields = {field.alias or name: field for name, field in found.model_fields.items()}
        inner = _model_in(fields[part].annotation) if part in fields else None
        found = inner or found
    return [field.alias or name for name, field in found.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each)) is not None), None)
