"""A moto that may be taught in one test without the next one knowing."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.cloudwatch.models import CloudWatchBackend
from moto.ec2.models.instances import Instance
from moto.events.models import Rule
from moto.events.utils import EventTemplateParser
from moto.sns.models import SNSBackend, Subscription
from moto.sns.responses import SNSResponse

from bot.demo import moto_instances

TAUGHT = (
    (CloudWatchBackend, ("set_alarm_state",)),
    (Instance, ("start", "stop", "terminate", "reboot", "instance_status", "system_status")),
    (Rule, ("send_to_targets",)),
    (SNSBackend, ("subscribe",)),
    (SNSResponse, ("confirm_subscription",)),
    (Subscription, ("publish", "get_post_data")),
)


@pytest.fixture
def moto_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS in this process; what a test teaches moto is forgotten after it."""
    for kind, names in TAUGHT:
        for name in names:
            monkeypatch.setattr(kind, name, kind.__dict__[name])
    monkeypatch.setattr(EventTemplateParser, "parse", staticmethod(EventTemplateParser.parse))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


@pytest.fixture
def client(moto_aws: None) -> Callable[..., Any]:
    """Clients of this AWS, as the demo's own parts take them."""
    session: Any = boto3.Session()

    def make(service: str, region: str = "us-east-1") -> Any:
        return session.client(service, region_name=region)

    return make


class Later:
    """Timers that a test lets run out by hand."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, action: Callable[[], None]) -> None:
        """Set one."""
        self.waiting.append((seconds, action))

    def run_out(self) -> list[float]:
        """Run every timer that is set now, and say how long they were."""
        due, self.waiting = self.waiting, []
        for _, action in due:
            action()
        return [seconds for seconds, _ in due]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """The timers of moto's instances."""
    timers = Later()
    monkeypatch.setattr(moto_instances, "_later", timers)
    return timers
