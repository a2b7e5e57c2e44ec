"""The colours of a runbook's picture, for every format. Pure."""

from collections.abc import Mapping
from typing import Final

from engine.edges import EdgeKind
from engine.graph import Kind

Colours = tuple[str, str]
"""Fill and outline."""
STEP: Final[Mapping[Kind, Colours]] = {
    Kind.READS: ("#eef4fb", "#4a7fb5"),
    Kind.CHANGES: ("#fdeeee", "#c0392b"),
    Kind.RUNS: ("#f5effb", "#7d4fb0"),
    Kind.DECIDES: ("#fff9e6", "#b58900"),
    Kind.ASKS: ("#e9f7ee", "#1e8e4e"),
    Kind.WAITS: ("#f4f4f4", "#888888"),
    Kind.KEEPS: ("#f4f4f4", "#888888"),
    Kind.LOOPS: ("#fafafa", "#555555"),
}
STATUS: Final[Mapping[str, Colours]] = {
    "Success": ("#d9f2e3", "#1e8e4e"),
    "Failed": ("#f9d3cf", "#b02a1c"),
    "TimedOut": ("#f9d3cf", "#b02a1c"),
    "Cancelled": ("#e6e6e6", "#666666"),
    "Cancelling": ("#e6e6e6", "#666666"),
    "InProgress": ("#dcebfa", "#1f6fb8"),
    "Waiting": ("#fff1c9", "#b58900"),
}
NOT_REACHED: Final[Colours] = ("#ffffff", "#bbbbbb")
LINE: Final[Mapping[EdgeKind, str]] = {EdgeKind.FAILURE: "#c0392b", EdgeKind.CANCEL: "#8a6d3b"}
PLAIN_LINE: Final = "#555555"
TEXT: Final = "#222222"
FAINT: Final = "#555555"


def colours_of(kind: Kind, name: str, statuses: Mapping[str, str]) -> Colours:
    """How a step is painted: by what it does, or by how far an execution is, where there are statuses."""
    if not statuses:
        return STEP[kind]
    return STATUS.get(statuses.get(name, ""), NOT_REACHED)
