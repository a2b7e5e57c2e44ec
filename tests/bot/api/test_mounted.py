"""SSM's API beside the other doors of `serve`: off unless the settings open it."""

from collections.abc import Iterator

import boto3
import pytest

from bot.http_server import HttpServer
from bot.service import Service
from bot.serving import Serving, build, event_parts
from infra.db import Database
from infra.settings import Settings, SettingsInvalid, load
from migrations import runner


@pytest.fixture
def service(tmp_path: object) -> Iterator[Service]:
    """A bot with nothing but its database."""
    settings = Settings.model_validate(
        {
            "database_url": f"sqlite:///{tmp_path}/bot.db",
            "aws_region": "eu-west-1",
            "http_port": 0,
            "api_keys": ("AKIDLEE:secret:lee",),
            "api_port": 0,
        }
    )
    runner.upgrade(Database(settings.database_url))
    service = Service(settings)
    yield service
    service.db.close()


def names(serving: Serving) -> list[str]:
    """The parts of a process."""
    return [part.name for part in serving.parts]


def test_it_is_a_part_of_serve_when_a_port_is_given(service: Service) -> None:
    """And answers boto3 while the rest runs."""
    serving = build(service)
    part = next(part for part in serving.parts if part.name == "api")
    server: HttpServer = part.start.__self__  # type: ignore[attr-defined]
    serving.start()
    client = boto3.client(
        "ssm", "eu-west-1", endpoint_url=server.url, aws_access_key_id="AKIDLEE", aws_secret_access_key="secret"
    )

    assert client.list_documents()["DocumentIdentifiers"] == []

    serving.stop()


def test_it_is_off_by_default(service: Service) -> None:
    """Neither a port nor a target for events is open unless somebody says so."""
    service.settings = service.settings.model_copy(update={"api_port": None})
    serving = build(service)
    serving.start()
    serving.stop()

    assert "api" not in names(serving)
    assert "events" not in names(serving)
    assert event_parts(service, serving.stopping) == []


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"API_PORT": "8025"}, "api_port opens SSM's API, which needs api_keys"),
        ({"API_KEYS": "AKID:lee"}, "entry 1 of api_keys should be AKID:SECRET:actor"),
        ({"EVENT_WEBHOOK_URL": "https://x.test/"}, "needs event_webhook_secret"),
        ({"EVENT_WEBHOOK_URL": "http://x.test/", "EVENT_WEBHOOK_SECRET": "s"}, "should begin with https://"),
        ({"EVENT_QUEUE_URL": "arn:aws:sqs:eu-west-1:123456789012:q"}, "is not a URL"),
        ({"API_ACCOUNT": "12"}, "twelve digits"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(variables: dict[str, str], words: str) -> None:
    """Before anything starts."""
    with pytest.raises(SettingsInvalid) as caught:
        load({f"PLAYBOOK_BOT_{name}": value for name, value in variables.items()})

    assert words in str(caught.value)


def test_secrets_of_keys_are_masked() -> None:
    """Each one, so that no log line shows it."""
    settings = load({"PLAYBOOK_BOT_API_KEYS": "AKIDLEE:top-secret:lee,ASIAX:other-secret:a-token:max"})

    assert {"top-secret", "other-secret", "a-token"} <= settings.secrets
    assert "lee" not in settings.secrets
