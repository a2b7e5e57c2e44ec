"""Curves drawn by matplotlib, where it is installed (the extra `pictures`); without it there is no picture."""

import importlib
import importlib.util
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

WIDTH_INCHES, HEIGHT_INCHES, DOTS = 8.0, 3.2, 100
LONGEST_TITLE: Final = 90


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def curve(title: str, points: Sequence[tuple[datetime, float]], *, threshold: float | None = None) -> bytes:
    """A PNG of a metric over time (UTC), with its threshold as a broken line. Raises ImportError without matplotlib."""
    figure_module: Any = importlib.import_module("matplotlib.figure")
    dates: Any = importlib.import_module("matplotlib.dates")
    figure = figure_module.Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DOTS, layout="constrained")
    axes = figure.subplots()
    axes.plot([at for at, _ in points], [value for _, value in points], marker=".", label="metric")
    if threshold is not None:
        axes.axhline(threshold, linestyle="--", color="black", label=f"threshold {threshold:g}")
    axes.legend(loc="upper left")
    # A dollar sign would begin a formula.
    axes.set_title(title.replace("$", r"\$")[:LONGEST_TITLE])
    axes.set_xlabel("UTC")
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.grid(visible=True, alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
