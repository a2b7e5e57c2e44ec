"""The AWS of actions that need none: it knows where it is and refuses every call. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(frozen=True, slots=True)
class NoAws:
    """Stands in where a pure action is evaluated."""

    region: str
    account: str
    partition: str

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> NoReturn:
        """Always refuse: a pure action that calls AWS is a programming error."""
        raise RuntimeError(
            f"a pure action called {service}:{operation} with {sorted(params)} in {region or self.region}"
        )

    def input_members(self, service: str, operation: str) -> NoReturn:
        """Always refuse, as `call` does."""
        raise RuntimeError(f"a pure action asked for {service}:{operation}")

    def drain(self) -> tuple[()]:
        """Nothing was called."""
        return ()
