"""Putting the operations into moto, and taking them out again."""

from typing import Any, Final

from moto.cloudwatch.models import CloudWatchBackend
from moto.events.models import Rule
from moto.events.utils import EventTemplateParser
from moto.sns.models import SNSBackend, Subscription
from moto.sns.responses import SNSResponse
from moto.ssm.responses import SimpleSystemManagerResponse

from playbook_moto import alarms
from playbook_moto.responses import OPERATIONS, methods
from playbook_moto.world import Settings

__all__ = ["Settings", "install", "uninstall"]

PLAIN: Final = {
    "create_document": SimpleSystemManagerResponse.create_document,
    "update_document": SimpleSystemManagerResponse.update_document,
}
_CHANGED: Final[tuple[tuple[Any, tuple[str, ...]], ...]] = (
    (CloudWatchBackend, ("set_alarm_state",)),
    (Rule, ("send_to_targets",)),
    (EventTemplateParser, ("parse",)),
    (Subscription, ("publish", "get_post_data")),
    (SNSBackend, ("subscribe",)),
    (SNSResponse, ("confirm_subscription",)),
)
_BEFORE: Final = [
    (owner, name, vars(owner)[name]) for owner, names in _CHANGED for name in names if name in vars(owner)
]


def install(settings: Settings | None = None) -> None:
    """Teach this process's moto Automation, and its alarms to act; the last call counts."""
    chosen = settings or Settings()
    for name, method in methods(chosen, PLAIN).items():
        setattr(SimpleSystemManagerResponse, name, method)
    uninstall_alarms()
    alarms.install(chosen)


def uninstall() -> None:
    """Leave moto as it was."""
    for name in (*OPERATIONS, "list_document_versions"):
        if name in vars(SimpleSystemManagerResponse):
            delattr(SimpleSystemManagerResponse, name)
    for name, method in PLAIN.items():
        setattr(SimpleSystemManagerResponse, name, method)
    uninstall_alarms()


def uninstall_alarms() -> None:
    """Let alarms do nothing again."""
    for owner, name, method in _BEFORE:
        setattr(owner, name, method)
