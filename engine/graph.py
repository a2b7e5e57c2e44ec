"""A runbook as a picture's content: its steps in words, and every way the flow may go. Pure.

`mermaid` is for texts that draw it themselves (GitHub, Slack canvases, wikis); engine/graph_layout.py places the same
graph for SVG and PNG.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.conditions import OPERATORS
from engine.document import CONTINUE, Document, Step
from engine.edges import Edge, EdgeKind, choices_of, edges
from engine.expressions import REFERENCE
from infra.aws_errors import AwsRefused
from infra.aws_models import operation_name, service_name
from infra.aws_operations import is_reading
from infra.canonical import Json

END: Final = ""
"""The target of a way that ends the execution."""
LONGEST_LABEL: Final = 44
SIGNS: Final[Mapping[str, str]] = {
    "StringEquals": "=", "EqualsIgnoreCase": "≈", "StartsWith": "starts with", "EndsWith": "ends with",
    "Contains": "contains", "NumericEquals": "=", "NumericGreater": ">", "NumericLesser": "<",
    "NumericGreaterOrEquals": "≥", "NumericLesserOrEquals": "≤", "BooleanEquals": "=",
}  # fmt: skip


class Kind(StrEnum):
    """What a step is to the person who looks at the picture."""

    READS = "reads"
    CHANGES = "changes"
    RUNS = "runs"
    """Code or another runbook, whose doing the document does not tell."""
    DECIDES = "decides"
    ASKS = "asks"
    WAITS = "waits"
    KEEPS = "keeps"
    LOOPS = "loops"


_KINDS: Final[Mapping[str, Kind]] = {
    "aws:approve": Kind.ASKS, "aws:pause": Kind.ASKS, "aws:branch": Kind.DECIDES, "aws:loop": Kind.LOOPS,
    "aws:sleep": Kind.WAITS, "aws:waitForAwsResourceProperty": Kind.WAITS, "aws:assertAwsResourceProperty": Kind.READS,
    "aws:updateVariable": Kind.KEEPS, "aws:executeScript": Kind.RUNS, "aws:executeAutomation": Kind.RUNS,
    "aws:executeStateMachine": Kind.RUNS, "aws:invokeLambdaFunction": Kind.RUNS, "aws:invokeWebhook": Kind.RUNS,
    "aws:runCommand": Kind.RUNS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """One step. `detail` says what it does, `notes` what is unusual about it."""

    name: str
    kind: Kind
    detail: str
    notes: tuple[str, ...] = ()
    loop: str = ""
    """The loop that it stands in."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way from a step to another (END = the execution is over)."""

    source: str
    target: str
    kind: EdgeKind
    label: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """A runbook's flow; the first node is where it begins."""

    name: str
    nodes: tuple[Node, ...]
    ways: tuple[Way, ...]


def graph_of(document: Document) -> Graph:
    """The flow of a document, in document order."""
    homes = {inner.name: step.name for step in document.steps for inner in step.steps}
    nodes = tuple(_node(step, homes.get(step.name, "")) for step in document.all_steps())
    ways = (_way(edge, document) for edge in edges(document))
    return Graph(document.name, nodes, tuple(dict.fromkeys(way for way in ways if way.kind is not EdgeKind.BODY)))


def _node(step: Step, loop: str) -> Node:
    return Node(step.name, kind_of_step(step), detail_of(step), tuple(_notes(step)), loop)


def kind_of_step(step: Step) -> Kind:
    """What a step is: actions that are not listed change something."""
    if step.action != "aws:executeAwsApi":
        return _KINDS.get(step.action, Kind.CHANGES)
    operation = _operation(step.inputs).partition(":")[2]
    return Kind.READS if is_reading(operation) else Kind.CHANGES


def _operation(inputs: Mapping[str, Json]) -> str:
    service, api = str(inputs.get("Service") or "?"), str(inputs.get("Api") or "?")
    try:
        return f"{service_name(service)}:{operation_name(service, api)}"
    except AwsRefused:
        return f"{service}:{api}"


def detail_of(step: Step) -> str:
    """What a step does, in one short line."""
    inputs, action = step.inputs, step.action.removeprefix("aws:")
    match step.action:
        case "aws:executeAwsApi":
            return _operation(inputs)
        case "aws:assertAwsResourceProperty" | "aws:waitForAwsResourceProperty":
            verb = "assert" if action.startswith("assert") else "wait until"
            return f"{verb} {_operation(inputs)} {_last_key(inputs.get('PropertySelector'))} = {_values(inputs)}"
        case "aws:sleep":
            return f"sleep {_words(inputs.get('Duration') or inputs.get('Timestamp'))}"
        case "aws:changeInstanceState":
            only = "check that" if inputs.get("CheckStateOnly") in (True, "true") else "bring"
            return f"{only} instances {_words(inputs.get('DesiredState'))}"
        case "aws:executeScript":
            return f"script {_words(inputs.get('Runtime'))}"
        case "aws:updateVariable":
            name = str(inputs.get("Name") or "").removeprefix("variable:")
            return f"{name} := {_words(inputs.get('Value'))}"
        case "aws:loop":
            return _loop(step)
    subject = next((inputs[key] for key in _SUBJECTS if inputs.get(key)), None)
    return f"{action} {_words(subject)}".rstrip() if subject is not None else action


_SUBJECTS: Final = (
    "DocumentName", "FunctionName", "stateMachineArn", "IntegrationName", "StackName", "ImageId", "InstanceId",
    "SourceImageId", "ResourceIds",
)  # fmt: skip


def _loop(step: Step) -> str:
    condition = step.inputs.get("LoopCondition")
    if isinstance(condition, dict):
        return f"repeat while {condition_words(condition)}"
    return f"for each of {_words(step.inputs.get('Iterators'))}"


def _notes(step: Step) -> Iterator[str]:
    if step.max_attempts > 1:
        yield f"up to {step.max_attempts} attempts"
    if step.on_failure == CONTINUE:
        yield "goes on if it fails" if not step.is_critical else "goes on if it fails, which still counts"
    elif step.on_failure.startswith("step:") and not step.is_critical:
        yield "its failure does not count"


def _last_key(selector: Json) -> str:
    text = str(selector or "")
    return text.replace("]", "").replace("[", ".").rstrip(".").split(".")[-1].strip("'\" ") or text


def _values(inputs: Mapping[str, Json]) -> str:
    values = inputs.get("DesiredValues")
    return " | ".join(_words(value) for value in values) if isinstance(values, list) else _words(values)


def _words(value: Json) -> str:
    """A value as a reader wants it: a reference by its name, references inside a text in single braces."""
    if value is None:
        return ""
    if isinstance(value, list) and len(value) == 1:
        return _words(value[0])
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    whole = REFERENCE.fullmatch(text.strip())
    return whole[1] if whole is not None else " ".join(REFERENCE.sub(r"{\1}", text).split())


def _way(edge: Edge, document: Document) -> Way:
    step = document.step(edge.source)
    label = ""
    match edge.kind:
        case EdgeKind.CHOICE if step is not None:
            choice = {key: value for key, value in choices_of(step)[edge.number].items() if key != "NextStep"}
            label = condition_words(choice)
        case EdgeKind.DEFAULT:
            label = "otherwise"
        case EdgeKind.NEXT if step is not None and step.action == "aws:branch":
            label = "otherwise"
        case EdgeKind.FAILURE:
            label = "if it fails"
        case EdgeKind.CANCEL:
            label = "if cancelled"
        case EdgeKind.AGAIN:
            label = "again"
    return Way(edge.source, edge.target if edge.target is not None else END, edge.kind, label)


def condition_words(condition: Mapping[str, Json]) -> str:
    """A condition of aws:branch in words: `state = running and not tagged`."""
    for key, word in (("And", " and "), ("Or", " or ")):
        if key in condition:
            return word.join(_part(part, key) for part in _parts(condition[key]))
    if "Not" in condition:
        return f"not ({' or '.join(condition_words(part) for part in _parts(condition['Not']))})"
    variable = _words(condition.get("Variable"))
    compared = [f"{variable} {SIGNS[name]} {_operand(condition[name])}" for name in condition if name in OPERATORS]
    return " and ".join(compared) or variable


def _parts(value: Json) -> list[dict[str, Json]]:
    return [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, dict)]


def _part(part: Mapping[str, Json], around: str) -> str:
    words = condition_words(part)
    return f"({words})" if any(key in part for key in ("And", "Or") if key != around) else words


def _operand(value: Json) -> str:
    return '""' if value == "" else _words(value)


def shortened(text: str, longest: int = LONGEST_LABEL) -> str:
    """A text that fits."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


# -- Mermaid

_SHAPES: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.DECIDES: ("{{", "}}"), Kind.ASKS: ("([", "])"), Kind.WAITS: ("(", ")"), Kind.RUNS: ("[[", "]]"),
    Kind.KEEPS: ("[/", "/]"),
}  # fmt: skip
_STYLES: Final[Mapping[Kind, str]] = {
    Kind.READS: "fill:#eef4fb,stroke:#4a7fb5", Kind.CHANGES: "fill:#fdeeee,stroke:#c0392b,stroke-width:2px",
    Kind.RUNS: "fill:#f5effb,stroke:#7d4fb0", Kind.DECIDES: "fill:#fff9e6,stroke:#b58900",
    Kind.ASKS: "fill:#e9f7ee,stroke:#1e8e4e,stroke-width:2px", Kind.WAITS: "fill:#f4f4f4,stroke:#888888",
    Kind.KEEPS: "fill:#f4f4f4,stroke:#888888", Kind.LOOPS: "fill:#fafafa,stroke:#555555",
}  # fmt: skip


def mermaid(graph: Graph) -> str:
    """The graph as a Mermaid flowchart; failure and cancel ways are dashed."""
    ids = {node.name: f"s{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart TD"]
    lines += [f"  {line}" for line in _mermaid_nodes(graph, ids)]
    if any(way.target == END for way in graph.ways):
        lines.append("  finish((end))")
    lines += [f"  {line}" for line in _mermaid_ways(graph, ids)]
    used = {node.kind for node in graph.nodes if node.kind is not Kind.LOOPS}
    lines += [f"  classDef {kind} {style}" for kind, style in _STYLES.items() if kind in used]
    return "\n".join(lines) + "\n"


def _mermaid_nodes(graph: Graph, ids: Mapping[str, str]) -> Iterator[str]:
    for node in graph.nodes:
        if node.loop:
            continue
        if node.kind is not Kind.LOOPS:
            yield _mermaid_node(node, ids)
            continue
        yield f'subgraph {ids[node.name]} ["{_mermaid_text(node)}"]'
        yield from (f"  {_mermaid_node(inner, ids)}" for inner in graph.nodes if inner.loop == node.name)
        yield "end"


def _mermaid_node(node: Node, ids: Mapping[str, str]) -> str:
    opening, closing = _SHAPES.get(node.kind, ("[", "]"))
    return f'{ids[node.name]}{opening}"{_mermaid_text(node)}"{closing}:::{node.kind}'


def _mermaid_text(node: Node) -> str:
    lines = [f"<b>{node.name}</b>", _escaped(shortened(node.detail, 60))]
    lines += [f"<i>{_escaped(note)}</i>" for note in node.notes]
    return "<br/>".join(lines)


def _mermaid_ways(graph: Graph, ids: Mapping[str, str]) -> Iterator[str]:
    """A way from a loop's last step back to the loop is told by the frame around them."""
    for way in graph.ways:
        if way.kind is EdgeKind.AGAIN:
            continue
        arrow = "-.->" if way.kind in (EdgeKind.FAILURE, EdgeKind.CANCEL) else "-->"
        label = f'|"{_escaped(shortened(way.label, 70))}"|' if way.label else ""
        yield f"{ids[way.source]} {arrow}{label} {ids.get(way.target, 'finish')}"


def _escaped(text: str) -> str:
    """Mermaid reads HTML entities, and takes these characters for its own (`%%` begins a comment, even in quotes)."""
    return "".join(f"#{ord(letter)};" if letter in '"#<>&|`\\%;{}[]()' else letter for letter in text)
