"""A runbook's graph with a place for everything: boxes, frames around loops, lines and their words. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.edges import EdgeKind
from engine.graph import END, Graph, Kind, Node, Way, shortened
from engine.graph_layers import Link, Placed, Size, Spot, place

MARGIN: Final = 24.0
FRAME: Final = 18.0
TITLE: Final = 54.0
DOT: Final = 14.0
NAME_WIDTH: Final = 8.1
"""Pixels of a letter at 13 px, bold; a little more than the widest usual font needs."""
TEXT_WIDTH: Final = 6.7
"""The same at 11 px."""
LONGEST_WORDS: Final = 38
MOST_LINES: Final = 5
"""Ways of failure to one step that are drawn one by one; of more, words at each step say it better than lines."""


@dataclass(frozen=True, slots=True)
class Box:
    """A step, or (without a node) the dot at which a way ends."""

    x: float
    y: float
    width: float
    height: float
    node: Node | None
    lines: tuple[str, ...] = ()
    """Its name first."""
    is_frame: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A way, as points from its beginning to its arrow head; words stand at `label_at`."""

    points: tuple[tuple[float, float], ...]
    kind: EdgeKind
    label: str = ""
    label_at: Spot | None = None
    label_size: Size | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything placed, frames before what stands in them."""

    title: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def laid_out(graph: Graph) -> Picture:
    """Place a graph."""
    picture = _placed(_gathered(graph), loop="")
    boxes = tuple(_moved_box(box, MARGIN, MARGIN) for box in picture.boxes)
    lines = tuple(_moved_line(line, MARGIN, MARGIN) for line in picture.lines)
    return Picture(graph.name, picture.width + 2 * MARGIN, picture.height + 2 * MARGIN, boxes, lines)


def _gathered(graph: Graph) -> Graph:
    """Where many steps lead to one when they fail, only the last line is drawn; the others say so in words."""
    counts = Counter(way.target for way in graph.ways if way.kind is EdgeKind.FAILURE)
    crowded = {target: count for target, count in counts.items() if target and count > MOST_LINES}
    order = {node.name: index for index, node in enumerate(graph.nodes)}
    failing = [way for way in graph.ways if way.kind is EdgeKind.FAILURE and way.target in crowded]
    last = {way.target: way for way in sorted(failing, key=lambda way: order[way.source])}
    told = {way.source: way.target for way in failing if way is not last[way.target]}
    ways = [
        replace(way, label=f"if it, or one of {crowded[way.target] - 1} others, fails") if way in last.values() else way
        for way in graph.ways
        if way.kind is not EdgeKind.FAILURE or told.get(way.source) != way.target
    ]
    nodes = [
        replace(node, notes=(*node.notes, f"if it fails: {told[node.name]}")) if node.name in told else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes), ways=tuple(ways))


def _placed(graph: Graph, *, loop: str) -> Picture:
    """What stands in mainSteps, or in the body of one loop."""
    nodes = [node for node in graph.nodes if node.loop == loop]
    homes = {node.name: node.loop for node in graph.nodes}
    bodies = {node.name: _placed(graph, loop=node.name) for node in nodes if node.kind is Kind.LOOPS}
    sizes = {node.name: _size(node, bodies.get(node.name)) for node in nodes}
    ways = [_outer(way, homes, loop) for way in graph.ways]
    links: list[Link[str]] = []
    shown: list[Way] = []
    for way in ways:
        if way is None or way in shown:
            continue
        target = way.target or f"{END}.{way.source}.{way.kind}"
        sizes.setdefault(target, Size(DOT, DOT))
        links.append(Link(way.source, target, _label_size(way.label)))
        shown.append(way)
    placed = place(sizes, links)
    return _picture(graph.name, nodes, sizes, placed, shown, bodies)


def _outer(way: Way, homes: Mapping[str, str], loop: str) -> Way | None:
    """The way as it is seen in this list of steps; None when it does not belong there.

    A way out of a loop starts at the loop's frame, and says which step leaves it.
    """
    home = homes[way.source]
    goes_home = homes.get(way.target, home)
    if way.kind is EdgeKind.AGAIN:
        return None
    if home == loop and (goes_home == loop or not way.target):
        return way
    if loop == "" and home and goes_home == "" and way.target:
        label = f"{way.source}: {way.label}" if way.label else f"from {way.source}"
        return replace(way, source=home, label=label)
    return None


def _size(node: Node, body: Picture | None) -> Size:
    lines = _lines(node)
    width = max(len(lines[0]) * NAME_WIDTH, *(len(line) * TEXT_WIDTH for line in lines[1:]), 90.0) + 24
    if body is not None:
        return Size(max(width, body.width + 2 * FRAME), body.height + TITLE + FRAME + 15.0 * (len(lines) - 2))
    if node.kind is Kind.DECIDES:
        width += 24
    return Size(width, 22.0 + 15.0 * len(lines[1:]) + 10)


def _lines(node: Node) -> tuple[str, ...]:
    return (node.name, shortened(node.detail), *node.notes)


def _label_size(label: str) -> Size | None:
    lines = words_on_line(label)
    return Size(max(len(line) for line in lines) * TEXT_WIDTH + 10, 14.0 * len(lines) + 4) if label else None


def words_on_line(label: str) -> tuple[str, ...]:
    """The words on a line, broken into at most three short ones."""
    lines: list[str] = [""]
    for word in label.split():
        if lines[-1] and len(lines[-1]) + len(word) + 1 > LONGEST_WORDS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines) > 3:
        lines = [*lines[:2], f"{lines[2]} …"]
    return tuple(shortened(line, LONGEST_WORDS + 6) for line in lines)


def _picture(
    name: str,
    nodes: Sequence[Node],
    sizes: Mapping[str, Size],
    placed: Placed[str],
    ways: Sequence[Way],
    bodies: Mapping[str, Picture],
) -> Picture:
    boxes: list[Box] = []
    lines = [
        Line(route, way.kind, way.label, spot, _label_size(way.label))
        for route, way, spot in zip(placed.routes, ways, placed.labels, strict=True)
    ]
    for node in nodes:
        spot, size = placed.spots[node.name], sizes[node.name]
        body = bodies.get(node.name)
        boxes.append(Box(spot.x, spot.y, size.width, size.height, node, _lines(node), is_frame=body is not None))
        if body is not None:
            left = spot.x - body.width / 2
            top = spot.y + size.height / 2 - FRAME - body.height
            boxes += [_moved_box(box, left, top) for box in body.boxes]
            lines += [_moved_line(line, left, top) for line in body.lines]
    known = {node.name for node in nodes}
    boxes += [Box(spot.x, spot.y, DOT, DOT, None) for target, spot in placed.spots.items() if target not in known]
    return Picture(name, placed.size.width, placed.size.height, tuple(boxes), tuple(lines))


def _moved_box(box: Box, right: float, down: float) -> Box:
    return replace(box, x=box.x + right, y=box.y + down)


def _moved_line(line: Line, right: float, down: float) -> Line:
    spot = line.label_at
    return replace(
        line,
        points=tuple((x + right, y + down) for x, y in line.points),
        label_at=Spot(spot.x + right, spot.y + down) if spot is not None else None,
    )
