"""Where a runbook may go from each step: the edges of its flow. Pure.

Rules: SSM User Guide, "Properties shared by all actions" (nextStep, isEnd, onFailure, onCancel) and "aws:branch": the
choice that matches wins over isEnd, and so does `onFailure: step:X`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.document import Document, Step
from infra.canonical import Json


class EdgeKind(StrEnum):
    """Why the flow goes along an edge."""

    NEXT = "next"
    CHOICE = "choice"
    DEFAULT = "default"
    FAILURE = "failure"
    CANCEL = "cancel"
    BODY = "body"
    """From a loop into its body."""
    AGAIN = "again"
    """From the end of a loop's body back to the loop."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One way from a step to another; `target` None is the end of the execution."""

    source: str
    target: str | None
    kind: EdgeKind
    number: int = 0
    """Which of the choices, counted from 0."""


def edges(document: Document) -> tuple[Edge, ...]:
    """Every edge, in document order."""
    found = list(_edges_of_list(document.steps, last=None, kind=EdgeKind.NEXT))
    for step in document.steps:
        if step.steps:
            found.append(Edge(step.name, step.steps[0].name, EdgeKind.BODY))
            found += _edges_of_list(step.steps, last=step.name, kind=EdgeKind.AGAIN)
    return tuple(found)


def _edges_of_list(steps: tuple[Step, ...], *, last: str | None, kind: EdgeKind) -> Iterator[Edge]:
    """Edges of steps in one list, at whose end the flow goes to `last`."""
    for index, step in enumerate(steps):
        following = steps[index + 1].name if index + 1 < len(steps) else None
        onward = None if step.is_end else step.next_step or following
        if step.action == "aws:branch":
            yield from _choices(step)
        if step.action != "aws:branch" or step.inputs.get("Default") is None:
            yield Edge(step.name, onward or last, EdgeKind.NEXT if onward else kind)
        if step.on_failure.startswith("step:"):
            yield Edge(step.name, step.on_failure.removeprefix("step:"), EdgeKind.FAILURE)
        if step.on_cancel.startswith("step:"):
            yield Edge(step.name, step.on_cancel.removeprefix("step:"), EdgeKind.CANCEL)


def _choices(step: Step) -> Iterator[Edge]:
    for number, choice in enumerate(choices_of(step)):
        yield Edge(step.name, str(choice.get("NextStep")), EdgeKind.CHOICE, number)
    default = step.inputs.get("Default")
    if default is not None:
        yield Edge(step.name, str(default), EdgeKind.DEFAULT)


def choices_of(step: Step) -> list[dict[str, Json]]:
    """The choices of an aws:branch."""
    choices = step.inputs.get("Choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def reachable(document: Document) -> frozenset[str]:
    """Names of the steps that some run may come to, those that only cancelling leads to included."""
    targets: dict[str, list[str]] = {}
    for edge in edges(document):
        targets.setdefault(edge.source, []).extend([edge.target] if edge.target is not None else [])
    found: set[str] = set()
    waiting = [document.steps[0].name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += targets.get(name, [])
    return frozenset(found)


def circle_of(document: Document) -> list[str]:
    """The names along an endless circle, the first one again at the end; [] when there is none.

    A loop's own repetition is none: it is bounded.
    """
    graph: dict[str, list[str]] = {step.name: [] for step in document.all_steps()}
    for edge in edges(document):
        if edge.target is not None and edge.kind not in (EdgeKind.CANCEL, EdgeKind.AGAIN):
            graph.setdefault(edge.source, []).append(edge.target)
    return find_circle(graph)


def find_circle(graph: Mapping[str, list[str]]) -> list[str]:
    """The first circle that a walk in depth finds."""
    done: dict[str, bool] = {}
    for start in graph:
        if start in done:
            continue
        trail: list[tuple[str, int]] = [(start, 0)]
        done[start] = False
        while trail:
            name, index = trail[-1]
            targets = graph.get(name, [])
            if index >= len(targets):
                done[name] = True
                trail.pop()
                continue
            trail[-1] = (name, index + 1)
            target = targets[index]
            if done.get(target) is False:
                names = [each for each, _ in trail]
                return [*names[names.index(target) :], target]
            if target in graph and target not in done:
                done[target] = False
                trail.append((target, 0))
    return []
