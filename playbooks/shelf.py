"""The catalog, as those see it who only look something up."""

from collections.abc import Sequence
from typing import Protocol

from playbooks.playbook import Playbook


class Shelf(Protocol):
    """Playbooks by name."""

    @property
    def all(self) -> Sequence[Playbook]:
        """Every playbook, by name."""

    def get(self, name: str) -> Playbook | None:
        """The playbook of that name."""

    def suggestion(self, name: str) -> str:
        """The name that was probably meant, or ""."""
