"""Curves drawn by matplotlib, where it is installed (the extra `pictures`); without it there is no picture.

They are drawn in a process of their own: the library takes seconds to load the first time, and a click must not wait.
"""

import importlib
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

WIDTH_INCHES, HEIGHT_INCHES, DOTS = 8.0, 3.2, 100
LONGEST_TITLE: Final = 90
PATIENCE_SECONDS: Final = 60


class NotDrawn(Exception):
    """There is no picture; the message says why."""


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def curve(title: str, points: Sequence[tuple[datetime, float]], *, threshold: float | None = None) -> bytes:
    """A PNG of a metric over time (UTC), with its threshold as a broken line. Raises NotDrawn."""
    told = {"title": title, "points": [(at.isoformat(), value) for at, value in points], "threshold": threshold}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and this module
            [sys.executable, "-m", __spec__.name if __spec__ else __name__],
            input=json.dumps(told).encode(), capture_output=True, timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotDrawn(str(error)) from error
    if done.returncode != 0 or not done.stdout:
        raise NotDrawn((done.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing was drawn"])[-1])
    return done.stdout


def _draw(title: str, points: Sequence[tuple[datetime, float]], threshold: float | None) -> bytes:
    """In the child: the PNG. Raises ImportError without matplotlib."""
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


def main() -> None:
    """Draw what standard input asks for, to standard output."""
    told = json.load(sys.stdin)
    points = [(datetime.fromisoformat(at), value) for at, value in told["points"]]
    sys.stdout.buffer.write(_draw(told["title"], points, told["threshold"]))


if __name__ == "__main__":
    main()
