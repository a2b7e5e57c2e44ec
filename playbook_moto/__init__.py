"""A moto with SSM Automation: runbooks started through a mocked AWS really run, step by step, against that AWS.

    import playbook_moto
    playbook_moto.install()          # once per process; works for mock_aws and for moto's server

`python -m playbook_moto -p 5000` is moto's server with the same in it; the pytest fixture is `moto_automation`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playbook_moto.installation import Settings, install, uninstall
    from playbook_moto.world import advance, settle

__all__ = ["Settings", "advance", "install", "settle", "uninstall"]

_PLACES: Final = {
    "Settings": "playbook_moto.world",
    "advance": "playbook_moto.world",
    "install": "playbook_moto.installation",
    "settle": "playbook_moto.world",
    "uninstall": "playbook_moto.installation",
}
"""Loaded when asked for: pytest imports this package at every start, for its plug-in, and moto takes seconds."""


def __getattr__(name: str) -> Any:
    """What the package offers."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
