"""What bandit says of a script, where it is installed: its own rules, beyond ours."""

import functools
import io
import logging
import warnings
from typing import Any, Final

from engine.scripts.danger import Finding

OURS: Final = frozenset(
    {"B102", "B105", "B106", "B107", "B301", "B307", "B404", "B501", "B506", "B602", "B604", "B605", "B607"}
)
"""Rules that our own pass has, better fitted to runbooks."""
NOISE: Final = frozenset({"B101", "B110", "B112", "B311", "B404", "B108"})
"""Assertions, silent `except`, random numbers for names and pauses, files in /tmp (which is the script's own)."""
NAME: Final = "customer_script.py"


@functools.lru_cache(maxsize=1)
def _library() -> Any:
    for name in ("bandit", "stevedore"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bandit's plug-in loader warns of itself
            from bandit.core import config, manager  # noqa: PLC0415 - an extra: absent on most machines
    except ImportError:
        return None
    return config, manager


def is_available() -> bool:
    """Whether bandit is installed."""
    return _library() is not None


def findings(source: str) -> list[Finding]:
    """What bandit finds beyond our own pass; nothing where it is not installed or cannot read the script."""
    library = _library()
    if library is None:
        return []
    config, manager = library
    content = io.BytesIO(source.encode("utf-8", "replace"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of bandit's own libraries, and of the script's odd escapes
        scanning = manager.BanditManager(config.BanditConfig(), "file", quiet=True)
        scanning.scores = []
        scanning._parse_file(NAME, content, [NAME])  # noqa: SLF001 - the way without a file on disk
    return [
        Finding(issue.test_id, issue.text.replace("\n", " "), issue.lineno, issue.col_offset + 1)
        for issue in scanning.get_issue_list(sev_level="LOW", conf_level="LOW")
        if issue.test_id not in OURS | NOISE
    ]
