"""A runbook's picture as SVG: self-contained, with the texts as text. Pure."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from engine.edges import EdgeKind
from engine.graph import Kind
from engine.graph_colours import FAINT, LINE, PLAIN_LINE, TEXT, colours_of
from engine.graph_layout import Box, Line, Picture, words_on_line

FONT: Final = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
DASHED: Final = frozenset({EdgeKind.FAILURE, EdgeKind.CANCEL})


def svg(picture: Picture, statuses: Mapping[str, str] | None = None) -> str:
    """The picture; with `statuses` (step name -> SSM's status) as far as an execution is."""
    width, height = round(picture.width), round(picture.height)
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    label = quoteattr(f"flow of {picture.title}")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}" role="img" aria-label={label}>',
        f"<title>{escape(picture.title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *(_box(box, statuses or {}) for box in picture.boxes),
        *(_line(line) for line in picture.lines),
        *(text for line in picture.lines for text in _words(line)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _box(box: Box, statuses: Mapping[str, str]) -> str:
    if box.node is None:
        return f'<circle cx="{_n(box.x)}" cy="{_n(box.y)}" r="5" fill="{TEXT}"><title>the end</title></circle>'
    fill, outline = colours_of(box.node.kind, box.node.name, statuses)
    top = box.y - box.height / 2
    texts = [
        f'<text x="{_n(box.x)}" y="{_n(top + 20)}" font-size="13" font-weight="bold">{escape(box.lines[0])}</text>'
    ]
    for number, line in enumerate(box.lines[1:]):
        style = "" if number == 0 else ' font-style="italic"'
        at = f'x="{_n(box.x)}" y="{_n(top + 36 + 15 * number)}"'
        texts.append(f'<text {at} font-size="11" fill="{FAINT}"{style}>{escape(line)}</text>')
    full = escape(f"{box.node.name}: {box.node.detail}")
    return (
        f'<g fill="{TEXT}" text-anchor="middle"><title>{full}</title>{_outline(box, fill, outline)}{"".join(texts)}</g>'
    )


def _outline(box: Box, fill: str, outline: str) -> str:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    style = f'fill="{fill}" stroke="{outline}" stroke-width="1.5"'
    if box.node is not None and box.node.kind is Kind.DECIDES:
        corners = " ".join(f"{_n(x)},{_n(y)}" for x, y in hexagon(box))
        return f'<polygon points="{corners}" {style}/>'
    radius = {Kind.ASKS: box.height / 2, Kind.WAITS: 12.0}.get(box.node.kind, 4.0) if box.node else 4.0
    dashes = ' stroke-dasharray="6 3"' if box.is_frame else ""
    at = f'x="{_n(left)}" y="{_n(top)}" width="{_n(box.width)}" height="{_n(box.height)}"'
    return f'<rect {at} rx="{_n(radius)}" {style}{dashes}/>'


def hexagon(box: Box) -> tuple[tuple[float, float], ...]:
    """The corners of a decision."""
    left, right = box.x - box.width / 2, box.x + box.width / 2
    top, bottom, cut = box.y - box.height / 2, box.y + box.height / 2, 12.0
    return (
        (left + cut, top), (right - cut, top), (right, box.y),
        (right - cut, bottom), (left + cut, bottom), (left, box.y),
    )  # fmt: skip


def _line(line: Line) -> str:
    colour = LINE.get(line.kind, PLAIN_LINE)
    dashes = ' stroke-dasharray="5 4"' if line.kind in DASHED else ""
    x, y = line.points[0]
    curve = f"M{_n(x)} {_n(y)}" + "".join(_piece(one, other) for one, other in pairwise(line.points))
    head = " ".join(f"{_n(x)},{_n(y)}" for x, y in arrow_head(line.points))
    return (
        f'<path d="{curve}" fill="none" stroke="{colour}" stroke-width="1.4"{dashes}/>'
        f'<polygon points="{head}" fill="{colour}"/>'
    )


def _piece(one: tuple[float, float], other: tuple[float, float]) -> str:
    """A piece that begins and ends upright."""
    if abs(one[0] - other[0]) < 0.5:
        return f"L{_n(other[0])} {_n(other[1])}"
    middle = (one[1] + other[1]) / 2
    return f"C{_n(one[0])} {_n(middle)} {_n(other[0])} {_n(middle)} {_n(other[0])} {_n(other[1])}"


def arrow_head(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """A triangle whose tip is the last point; lines arrive upright, from above or (turned round) from below."""
    (x, y), before = points[-1], points[-2]
    back = -8.0 if before[1] <= y else 8.0
    return ((x, y), (x - 4.0, y + back), (x + 4.0, y + back))


def _words(line: Line) -> Iterator[str]:
    if line.label_at is None or line.label_size is None:
        return
    at, size = line.label_at, line.label_size
    colour = LINE.get(line.kind, TEXT)
    left, top = at.x - size.width / 2, at.y - size.height / 2
    yield (
        f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(size.width)}" height="{_n(size.height)}" '
        'fill="#ffffff" fill-opacity="0.92"/>'
    )
    for number, text in enumerate(words_on_line(line.label)):
        place = f'x="{_n(at.x)}" y="{_n(top + 13 + 14 * number)}" text-anchor="middle"'
        yield f'<text {place} font-size="11" fill="{colour}">{escape(text)}</text>'
