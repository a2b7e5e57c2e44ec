"""How a running script is stopped from another thread, also when it is asked for before there is anything to stop."""

import threading
from collections.abc import Callable


class Stop:
    """One script's: `by` says how, `ask` does it, in any order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._how: Callable[[], None] | None = None
        self.is_asked = False

    def by(self, how: Callable[[], None]) -> None:
        """Stop it so; at once if that was asked for already."""
        with self._lock:
            self._how = how
            is_late = self.is_asked
        if is_late:
            how()

    def ask(self) -> None:
        """Stop it as soon as possible."""
        with self._lock:
            self.is_asked = True
            how = self._how
        if how is not None:
            how()
