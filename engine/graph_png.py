"""A runbook's picture as PNG, for places that show no SVG (Slack). Needs Pillow, and no font: Pillow brings one."""

import io
import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from engine.graph import Kind
from engine.graph_colours import FAINT, LINE, PLAIN_LINE, TEXT, colours_of
from engine.graph_layout import Box, Line, Picture, words_on_line
from engine.graph_svg import DASHED, arrow_head, hexagon

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

SCALE: Final = 2.0
"""Pixels for one unit: sharp on a telephone."""
LARGEST: Final = 12_000_000
"""Pixels of a picture; a larger flow is painted smaller."""
DASH: Final = (5.0, 4.0)


class PictureMissing(Exception):
    """PNG needs the package Pillow: pip install pillow, or take --format svg."""

    def __str__(self) -> str:
        """The sentence for a person."""
        return str(self.__doc__)


def png(picture: Picture, statuses: Mapping[str, str] | None = None, *, scale: float = SCALE) -> bytes:
    """The picture; `statuses` as for SVG. Raises PictureMissing."""
    try:
        from PIL import Image, ImageDraw  # noqa: PLC0415 - an extra that most installations lack
    except ImportError:
        raise PictureMissing from None
    scale = min(scale, math.sqrt(LARGEST / max(picture.width * picture.height, 1.0)))
    size = (max(1, math.ceil(picture.width * scale)), max(1, math.ceil(picture.height * scale)))
    # Twice the size and then half of it: Pillow's lines have no soft edges of their own.
    image = Image.new("RGB", (size[0] * 2, size[1] * 2), "#ffffff")
    painter = _Painter(ImageDraw.Draw(image), scale * 2)
    painter.paint(picture, statuses or {})
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


class _Painter:
    """Paints in the picture's own units."""

    def __init__(self, draw: "ImageDraw", scale: float) -> None:
        from PIL import ImageFont  # noqa: PLC0415 - as above

        self._draw, self._scale = draw, scale
        self._name: Any = ImageFont.load_default(13 * scale)
        self._text: Any = ImageFont.load_default(11 * scale)

    def paint(self, picture: Picture, statuses: Mapping[str, str]) -> None:
        """Boxes, then lines, then the words on them."""
        for box in picture.boxes:
            self._box(box, statuses)
        for line in picture.lines:
            self._line(line)
        for line in picture.lines:
            self._words(line)

    def _at(self, *points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * self._scale, y * self._scale) for x, y in points]

    def _box(self, box: Box, statuses: Mapping[str, str]) -> None:
        pen = round(1.5 * self._scale)
        if box.node is None:
            self._draw.ellipse(self._at((box.x - 5, box.y - 5), (box.x + 5, box.y + 5)), fill=TEXT)
            return
        fill, outline = colours_of(box.node.kind, box.node.name, statuses)
        left, top = box.x - box.width / 2, box.y - box.height / 2
        corners = self._at((left, top), (left + box.width, top + box.height))
        if box.node.kind is Kind.DECIDES:
            self._draw.polygon(self._at(*hexagon(box)), fill=fill, outline=outline, width=pen)
        else:
            radius = {Kind.ASKS: box.height / 2, Kind.WAITS: 12.0}.get(box.node.kind, 4.0)
            self._draw.rounded_rectangle(corners, radius * self._scale, fill=fill, outline=outline, width=pen)
        self._write(box.x, top + 20, box.lines[0], self._name, TEXT, stroke=round(self._scale * 0.25))
        for number, line in enumerate(box.lines[1:]):
            self._write(box.x, top + 36 + 15 * number, line, self._text, FAINT)

    def _write(self, x: float, y: float, text: str, font: Any, colour: str, *, stroke: int = 0) -> None:
        (at,) = self._at((x, y))
        self._draw.text(at, text, font=font, fill=colour, anchor="ms", stroke_width=stroke, stroke_fill=colour)

    def _line(self, line: Line) -> None:
        colour, pen = LINE.get(line.kind, PLAIN_LINE), max(1, round(1.4 * self._scale))
        points = list(_flattened(line.points))
        pieces = dashes(points) if line.kind in DASHED else [points]
        for piece in pieces:
            self._draw.line(self._at(*piece), fill=colour, width=pen, joint="curve")
        self._draw.polygon(self._at(*arrow_head(line.points)), fill=colour)

    def _words(self, line: Line) -> None:
        if line.label_at is None or line.label_size is None:
            return
        at, size = line.label_at, line.label_size
        left, top = at.x - size.width / 2, at.y - size.height / 2
        self._draw.rectangle(self._at((left, top), (left + size.width, top + size.height)), fill="#ffffff")
        for number, text in enumerate(words_on_line(line.label)):
            self._write(at.x, top + 13 + 14 * number, text, self._text, LINE.get(line.kind, TEXT))


def _flattened(points: tuple[tuple[float, float], ...]) -> Iterator[tuple[float, float]]:
    """A line's curves as short straight pieces."""
    yield points[0]
    for (x1, y1), (x2, y2) in pairwise(points):
        middle, pieces = (y1 + y2) / 2, 1 if abs(x1 - x2) < 0.5 else 24
        for number in range(1, pieces + 1):
            t = number / pieces
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            yield (a + b) * x1 + (c + d) * x2, a * y1 + (b + c) * middle + d * y2


def dashes(points: list[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    """A line cut into dashes."""
    piece, left, is_drawn = [points[0]], DASH[0], True
    for one, other in pairwise(points):
        at, length = one, math.dist(one, other)
        while length > left:
            share = left / length
            at = (at[0] + (other[0] - at[0]) * share, at[1] + (other[1] - at[1]) * share)
            if is_drawn:
                yield [*piece, at]
            piece, length, is_drawn = [at], length - left, not is_drawn
            left = DASH[0] if is_drawn else DASH[1]
        left -= length
        piece.append(other)
    if is_drawn and len(piece) > 1:
        yield piece
