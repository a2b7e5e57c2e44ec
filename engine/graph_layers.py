"""Layered placing of boxes that are linked from top to bottom: ranks, order within a rank, coordinates. Pure.

The classic way (Sugiyama): circles are cut open, each link gets a point in every rank that it crosses, crossings are
reduced by weighted means, and x is the least-squares answer that keeps the order. Deterministic: no randomness.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Generic, TypeVar

V = TypeVar("V", bound=Hashable)

SWEEPS: Final = 12
ROUNDS: Final = 24
BETWEEN: Final = 26.0
"""Between two boxes of a rank."""
BESIDE: Final = 12.0
"""Beside a line that only passes."""
BELOW: Final = 20.0
"""Between two ranks."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Link(Generic[V]):
    """From a box to another; `label` is the room for words on it."""

    source: V
    target: V
    label: Size | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a box or a label is: its centre."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Placed(Generic[V]):
    """Everything placed; `routes[i]` runs from the source of link i to its target, `labels[i]` is on it."""

    spots: Mapping[V, Spot]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    labels: tuple[Spot | None, ...]
    size: Size


@dataclass
class _Layers(Generic[V]):
    """Numbered items (boxes first, then points of links) in ranks."""

    sizes: list[Size] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    is_box: list[bool] = field(default_factory=list)
    down: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    up: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    rows: list[list[int]] = field(default_factory=list)

    def add(self, size: Size, rank: int, *, is_box: bool) -> int:
        self.sizes.append(size)
        self.ranks.append(rank)
        self.is_box.append(is_box)
        return len(self.sizes) - 1

    def join(self, upper: int, lower: int) -> None:
        self.down[upper].append(lower)
        self.up[lower].append(upper)


def place(sizes: Mapping[V, Size], links: Sequence[Link[V]]) -> Placed[V]:
    """Place the boxes of `sizes` (in the order in which a reader would tell them)."""
    names = list(sizes)
    number = {name: index for index, name in enumerate(names)}
    turned = _backward(len(names), [(number[link.source], number[link.target]) for link in links])
    ends = [
        (number[link.target], number[link.source]) if index in turned else (number[link.source], number[link.target])
        for index, link in enumerate(links)
    ]
    layers, chains, labelled = _layered(names, sizes, links, ends)
    _order(layers)
    xs, ys = _columns(layers), _heights(layers)
    left = min((x - size.width / 2 for x, size in zip(xs, layers.sizes, strict=True)), default=0.0)
    xs = [x - left for x in xs]
    routes = [_route(chain, layers, xs, ys) for chain in chains]
    return Placed(
        spots={name: Spot(xs[index], ys[index]) for name, index in number.items()},
        routes=tuple(tuple(reversed(route)) if i in turned else route for i, route in enumerate(_ported(routes, ends))),
        labels=tuple(None if item is None else Spot(xs[item], ys[item]) for item in labelled),
        size=Size(
            max((x + size.width / 2 for x, size in zip(xs, layers.sizes, strict=True)), default=0.0),
            max((y + size.height / 2 for y, size in zip(ys, layers.sizes, strict=True)), default=0.0),
        ),
    )


def _backward(count: int, pairs: Sequence[tuple[int, int]]) -> frozenset[int]:
    """The links that close a circle: turned round, there is none."""
    out: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for index, (source, target) in enumerate(pairs):
        out[source].append((index, target))
    state, found = [0] * count, set()
    for start in range(count):
        trail = [(start, iter(out[start]))] if state[start] == 0 else []
        state[start] = state[start] or 1
        while trail:
            at, ways = trail[-1]
            step = next(ways, None)
            if step is None:
                state[at] = 2
                trail.pop()
            elif state[step[1]] == 1:
                found.add(step[0])
            elif state[step[1]] == 0:
                state[step[1]] = 1
                trail.append((step[1], iter(out[step[1]])))
    return frozenset(found)


def _ranks(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """The longest way from a beginning to each box."""
    out: dict[int, list[int]] = defaultdict(list)
    waits = [0] * count
    for source, target in pairs:
        out[source].append(target)
        waits[target] += 1
    ranks = [0] * count
    ready = [index for index in range(count) if waits[index] == 0]
    while ready:
        at = ready.pop()
        for target in out[at]:
            ranks[target] = max(ranks[target], ranks[at] + 1)
            waits[target] -= 1
            if waits[target] == 0:
                ready.append(target)
    return ranks


def _layered(
    names: Sequence[V], sizes: Mapping[V, Size], links: Sequence[Link[V]], ends: Sequence[tuple[int, int]]
) -> tuple[_Layers[V], list[list[int]], list[int | None]]:
    """Boxes stand in even ranks, words on links in the odd ones between."""
    layers: _Layers[V] = _Layers()
    for name, rank in zip(names, _ranks(len(names), ends), strict=True):
        layers.add(sizes[name], rank * 2, is_box=True)
    chains: list[list[int]] = []
    labelled: list[int | None] = []
    for link, (upper, lower) in zip(links, ends, strict=True):
        chain, label = [upper], None
        for rank in range(layers.ranks[upper] + 1, layers.ranks[lower]):
            if link.label is not None and label is None:
                label = layers.add(link.label, rank, is_box=False)
                chain.append(label)
            else:
                chain.append(layers.add(Size(0.0, 0.0), rank, is_box=False))
        chain.append(lower)
        for above, below in pairwise(chain):
            layers.join(above, below)
        chains.append(chain)
        labelled.append(label)
    layers.rows = [[] for _ in range(max(layers.ranks, default=-1) + 1)]
    for item, rank in enumerate(layers.ranks):
        layers.rows[rank].append(item)
    return layers, chains, labelled


def _order(layers: _Layers[V]) -> None:
    """Reorder each row by the mean place of its neighbours; keep what has the fewest crossings."""
    best, fewest = [list(row) for row in layers.rows], _crossings(layers)
    for sweep in range(SWEEPS):
        is_down = sweep % 2 == 0
        neighbours = layers.up if is_down else layers.down
        rows = layers.rows if is_down else layers.rows[::-1]
        place_of = {item: index for row in layers.rows for index, item in enumerate(row)}
        for row in rows:
            row.sort(key=lambda item: _mean([place_of[other] for other in neighbours[item]], place_of[item]))
            place_of.update({item: index for index, item in enumerate(row)})
        crossings = _crossings(layers)
        if crossings < fewest:
            best, fewest = [list(row) for row in layers.rows], crossings
    layers.rows = best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(layers: _Layers[V]) -> int:
    found = 0
    for upper, lower in pairwise(layers.rows):
        place_of = {item: index for index, item in enumerate(lower)}
        seen: list[int] = []
        for item in upper:
            targets = sorted(place_of[other] for other in layers.down[item])
            found += sum(1 for target in targets for other in seen if other > target)
            seen += targets
    return found


def _columns(layers: _Layers[V]) -> list[float]:
    """The x of every item: as near to its neighbours as the order and the widths allow."""
    xs = [0.0] * len(layers.sizes)
    for row in layers.rows:
        at = 0.0
        for item in row:
            xs[item] = at + layers.sizes[item].width / 2
            at += layers.sizes[item].width + BETWEEN
    for turn in range(ROUNDS):
        ways = ((layers.up, 1), (layers.down, -1))[turn % 2 : turn % 2 + 1]
        if turn >= ROUNDS - 4:
            ways = ((layers.up, 1), (layers.down, -1))
        for row in layers.rows[:: ways[0][1]]:
            wanted, weights = [], []
            for item in row:
                near = [(xs[other], _pull(layers, item, other)) for way, _ in ways for other in way[item]]
                weight = sum(pull for _, pull in near)
                wanted.append(sum(x * pull for x, pull in near) / weight if weight else xs[item])
                weights.append(weight or 0.1)
            for item, x in zip(row, _apart(wanted, weights, _gaps(layers, row)), strict=True):
                xs[item] = x
    return xs


def _pull(layers: _Layers[V], one: int, other: int) -> float:
    """Lines that pass many ranks are to be straight."""
    return (1.0, 3.0, 9.0)[2 - layers.is_box[one] - layers.is_box[other]]


def _gaps(layers: _Layers[V], row: Sequence[int]) -> list[float]:
    return [
        (layers.sizes[one].width + layers.sizes[other].width) / 2
        + (BETWEEN if layers.is_box[one] and layers.is_box[other] else BESIDE)
        for one, other in pairwise(row)
    ]


def _apart(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The places nearest to the wanted ones (least squares) that keep the gaps: pool adjacent violators."""
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    pools: list[tuple[float, float, int]] = []
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        value, total, count = want - offset, weight, 1
        while pools and pools[-1][0] > value:
            other, heavy, many = pools.pop()
            value = (value * total + other * heavy) / (total + heavy)
            total, count = total + heavy, count + many
        pools.append((value, total, count))
    flat = [value for value, _, count in pools for _ in range(count)]
    return [value + offset for value, offset in zip(flat, offsets, strict=True)]


def _heights(layers: _Layers[V]) -> list[float]:
    ys, top = [0.0] * len(layers.sizes), 0.0
    for row in layers.rows:
        height = max(layers.sizes[item].height for item in row)
        for item in row:
            ys[item] = top + height / 2
        top += height + BELOW
    return ys


def _route(
    chain: Sequence[int], layers: _Layers[V], xs: Sequence[float], ys: Sequence[float]
) -> tuple[tuple[float, float], ...]:
    """From the lower edge of the first box, straight through every rank between, to the upper edge of the last.

    A way to the next rank needs no point between, where no words stand beside it.
    """
    first, last = chain[0], chain[-1]
    points = [(xs[first], ys[first] + layers.sizes[first].height / 2)]
    beside = layers.rows[layers.ranks[chain[1]]] if len(chain) == 3 else ()
    is_short = len(chain) == 3 and not any(layers.sizes[item].width for item in beside)
    for item in () if is_short else chain[1:-1]:
        half = max(layers.sizes[other].height for other in layers.rows[layers.ranks[item]]) / 2
        points += [(xs[item], ys[item] - half), (xs[item], ys[item] + half)]
    points.append((xs[last], ys[last] - layers.sizes[last].height / 2))
    return tuple(points)


def _ported(
    routes: Sequence[tuple[tuple[float, float], ...]], ends: Sequence[tuple[int, int]]
) -> list[tuple[tuple[float, float], ...]]:
    """Lines leave and enter a box side by side, in the order in which they go on."""
    found = [list(route) for route in routes]
    for side, place_in, next_in in ((0, 0, 1), (1, -1, -2)):
        at: dict[int, list[int]] = defaultdict(list)
        for index, pair in enumerate(ends):
            at[pair[side]].append(index)
        for indexes in at.values():
            for shift, index in _shifts(indexes, {i: routes[i][next_in][0] for i in indexes}):
                x, y = found[index][place_in]
                found[index][place_in] = (x + shift, y)
    return [tuple(route) for route in found]


def _shifts(indexes: Iterable[int], xs: Mapping[int, float]) -> list[tuple[float, int]]:
    ordered = sorted(indexes, key=lambda index: xs[index])
    step = min(18.0, 90.0 / max(len(ordered), 1))
    return [((place - (len(ordered) - 1) / 2) * step, index) for place, index in enumerate(ordered)]
