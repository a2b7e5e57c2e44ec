"""The name that was probably meant: difflib's choice, made fast for lists of hundreds of names. Pure."""

import difflib
import functools
import heapq
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

FEW: Final = 16
"""So many names are compared letter by letter; of more, those that share most pairs of letters."""
LONGEST: Final = 200
"""Longer names resemble nothing."""


def nearest(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The known name that is most like `name`, or "" when none is near."""
    known = list(names)
    if len(name) > LONGEST:
        return ""
    if len(known) > FEW:
        wanted = _pairs(name)
        known = heapq.nlargest(FEW, known, key=lambda each: _likeness(wanted, each))
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), "")


def _likeness(wanted: frozenset[str], name: str) -> float:
    found = _pairs(name)
    return len(wanted & found) / (len(wanted) + len(found) + 1)


@functools.lru_cache(maxsize=20_000)
def _pairs(name: str) -> frozenset[str]:
    return frozenset(a + b for a, b in pairwise(name))
