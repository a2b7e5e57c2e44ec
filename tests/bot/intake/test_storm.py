"""A storm of alarms: everything is recorded, and each transition starts one execution, whatever the road."""

import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bot.intake.certificates import Certificates
from bot.intake.sns import SnsDoor
from bot.intake.sqs import SqsIntake
from bot.service import Service
from infra.settings_model import Settings
from tests.bot.intake.doors import NOW, TOPIC, certificate, notification, signed
from tests.bot.intake.samples import sample

ALARMS, TIMES = 100, 10


@pytest.fixture
def service(sqlite_template: Path, tmp_path: Path) -> Iterator[Service]:
    """The bot's verbs on a database of their own, without threads."""
    path = tmp_path / "bot.db"
    shutil.copy(sqlite_template, path)
    found = Service(Settings(database_url=f"sqlite:///{path}", protected_tags=()))
    yield found
    found.db.close()


def message(number: int) -> dict[str, Any]:
    """The n-th instance's host has failed."""
    name, instance = f"host-{number}", f"i-{number:017x}"
    arn = f"arn:aws:cloudwatch:eu-west-1:402715938824:alarm:{name}"
    body = {**sample("message_metric"), "AlarmName": name, "AlarmArn": arn}
    body["Trigger"] = {**body["Trigger"], "Dimensions": [{"name": "InstanceId", "value": instance}]}
    return body


def event(number: int) -> dict[str, Any]:
    """The same transition as EventBridge tells it."""
    body = sample("eventbridge_metric")
    metric = body["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]
    metric["dimensions"] = {"InstanceId": f"i-{number:017x}"}
    body["detail"]["alarmName"] = f"host-{number}"
    body["resources"] = [f"arn:aws:cloudwatch:eu-west-1:402715938824:alarm:host-{number}"]
    return body


def test_a_storm_starts_each_playbook_once(service: Service) -> None:
    """Every alarm comes ten times, by two roads and from eight threads: one execution each, nothing lost."""
    door = SnsDoor(
        service.operations,
        topics=[TOPIC],
        regions=[],
        certificates=Certificates(fetch=lambda _: certificate()),
        confirm=lambda *_: None,
        clock=lambda: NOW,
    )
    bodies = [json.dumps(signed(notification(message(number)))).encode() for number in range(ALARMS)]
    queue = [
        {"ReceiptHandle": f"{number}-{time_}", "Body": json.dumps(event(number))}
        for time_ in range(TIMES // 2)
        for number in range(ALARMS)
    ]
    deleted: list[str] = []
    lock = threading.Lock()

    def receive() -> list[dict[str, Any]]:
        with lock:
            taken = queue[:10]
            del queue[:10]
            return taken

    intake = SqsIntake(service.operations, receive=receive, delete=deleted.append, queue="queue")

    def drain() -> None:
        while intake.pump():
            pass

    with ThreadPoolExecutor(8) as pool:
        poller = pool.submit(drain)
        answers = list(pool.map(lambda body: door.handle({}, body), bodies * (TIMES // 2)))
        poller.result()

    assert {status for status, _, _ in answers} == {200}
    assert len(deleted) == ALARMS * TIMES // 2
    with service.db.reading() as connection:
        started = service.executions.latest(connection, limit=1000)
        names = Counter(str(state.parameters["InstanceId"]) for state in started)
        received = sum(entry.event.name == "alarm.received" for entry in service.audit.entries(connection))
    assert names == Counter(f"i-{number:017x}" for number in range(ALARMS))
    assert received == ALARMS
