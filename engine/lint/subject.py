"""What is linted: a document with its source, and what several families ask about it, found once. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from engine.document import Document, Path, Step
from engine.edges import Edge, edges
from engine.expressions import REFERENCE
from engine.parameters import native_type
from engine.references import Reference, references_of
from engine.scripts.iam import ScriptNeeds, actions_of
from engine.scripts.problems import python_scripts
from engine.scripts.scan import PLACE_HOLDER
from engine.source import Source
from infra.aws_errors import AwsRefused
from infra.aws_models import operation_model
from infra.canonical import Json

__all__ = ["API_ACTIONS", "PLACE_HOLDER", "Subject", "has_reference", "texts_in"]

API_ACTIONS: Final = ("aws:executeAwsApi", "aws:assertAwsResourceProperty", "aws:waitForAwsResourceProperty")


@dataclass(frozen=True)
class Subject:
    """One document under the linter."""

    document: Document
    source: Source
    is_flow_known: bool = True
    """Whether every jump leads somewhere; otherwise nothing is said about what runs when."""

    @cached_property
    def steps(self) -> tuple[tuple[Step, Path], ...]:
        """Every step with its place; broken ones without a name are left out."""
        return tuple((step, path) for step, path in self.document.steps_with_paths() if step.name)

    @cached_property
    def named(self) -> dict[str, Step]:
        """Steps by name."""
        return {step.name: step for step, _ in self.steps}

    @cached_property
    def loops(self) -> dict[str, str]:
        """The loop around each inner step."""
        return {inner.name: step.name for step in self.document.steps for inner in step.steps}

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """Every reference in the steps' inputs."""
        return tuple(references_of(self.document))

    @cached_property
    def types(self) -> Mapping[str, str]:
        """The type of everything that a reference may name and whose type is declared."""
        found = {name: native_type(each.type) for name, each in self.document.parameters.items()}
        found |= {f"variable:{name}": each.type for name, each in self.document.variables.items()}
        found |= {f"{step.name}.{output.name}": output.type for step, _ in self.steps for output in step.outputs}
        return {name: type_ for name, type_ in found.items() if type_}

    def type_of(self, value: Json) -> str:
        """The declared type of a value that is one reference; "" for all others."""
        whole = REFERENCE.fullmatch(value.strip()) if isinstance(value, str) else None
        return self.types.get(whole[1], "") if whole is not None else ""

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """The flow."""
        return edges(self.document)

    @cached_property
    def _sources(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for edge in self.edges:
            if edge.target is not None:
                found.setdefault(edge.target, []).append(edge.source)
        return found

    @cached_property
    def _befores(self) -> dict[str, frozenset[str]]:
        return {}

    def before(self, name: str) -> frozenset[str]:
        """The steps from which the flow can come to a step, itself included where it can come again."""
        if name not in self._befores:
            self._befores[name] = _all_before(name, self._sources)
        return self._befores[name]

    @cached_property
    def needs(self) -> dict[str, ScriptNeeds]:
        """What each Python script calls, by its step."""
        return {step.name: actions_of(source) for step, _, source in python_scripts(self.document)}

    def written(self, path: Path) -> Mapping[str, Json]:
        """A step as it is written, which tells what is absent from what is a default."""
        found: Json = dict(self.document.tree)
        for part in path:
            if isinstance(found, dict):
                found = found.get(str(part))
            elif isinstance(found, list) and isinstance(part, int):
                found = found[part]
        return found if isinstance(found, dict) else {}

    def literal(self, step: Step, key: str) -> str:
        """An input that is plain text; "" when it is absent, no text, or holds a reference."""
        value = step.inputs.get(key)
        return value if isinstance(value, str) and not has_reference(value) else ""

    def operation(self, step: Step) -> Any:
        """Botocore's model of the operation that a step calls; None where it is unknown or only known at run time."""
        return self._operations.get(step.name)

    @cached_property
    def _operations(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for step, _ in self.steps:
            service, api = self.literal(step, "Service"), self.literal(step, "Api")
            if step.action in API_ACTIONS and service and api:
                try:
                    found[step.name] = operation_model(service, api)
                except AwsRefused:
                    continue
        return found


def _all_before(name: str, sources: dict[str, list[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(sources.get(name, ()))
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += sources.get(each, ())
    return frozenset(found)


def has_reference(value: Json) -> bool:
    """Whether any text in a value has a reference, so that its value is known at run time only."""
    return any(REFERENCE.search(text) for text in texts_in(value))


def texts_in(value: Json) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)
