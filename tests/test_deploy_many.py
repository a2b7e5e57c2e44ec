"""Many machines as they are deployed: a Compose file and ECS services that say what bots and workers really take."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from cfnlint.decode import decode
from click import Command

from bot.cli import cli
from infra.settings import load

ROOT: Final = Path(__file__).resolve().parent.parent
COMPOSE: Final = ROOT / "deploy" / "compose.yaml"
OURS: Final = ("upgrade", "bot", "worker")
TASKS: Final = {"UpgradeTask": "upgrade", "BotTask": "bot", "WorkerTask": "worker"}
FILLED: Final = {
    "POSTGRES_PASSWORD": "p", "RABBITMQ_PASSWORD": "r", "AUDIT_KEY": "k" * 32, "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1", "SLACK_CHANNEL": "C1", "AWS_REGION": "eu-west-1",
    "ASSUME_ROLE": "arn:aws:iam::123456789012:role/playbook-bot-runbooks",
}  # fmt: skip

GIVEN: Final = {
    "AWS::Region": "eu-west-1", "Channel": "C1", "QueueUrls": "",
    "RunbookRoleArn": "arn:aws:iam::123456789012:role/playbook-bot-runbooks",
}  # fmt: skip
"""What the ECS template's parameters are."""


def filled(text: str, values: dict[str, str]) -> str:
    """Text as Compose fills it in: `${NAME:?why}` must be there, `${NAME:-usual}` may be."""

    def one(match: re.Match[str]) -> str:
        name, kind, usual = match[1], match[2], match[3]
        if values.get(name):
            return values[name]
        if kind == ":?":
            raise KeyError(name)
        return usual

    return re.sub(r"\$\{(\w+)(:[?-])([^}]*)\}", one, text)


def everywhere(node: Any) -> Any:
    """The values of a YAML tree filled in, after it was read, as Compose does it."""
    if isinstance(node, dict):
        return {key: everywhere(value) for key, value in node.items()}
    if isinstance(node, list):
        return [everywhere(value) for value in node]
    return filled(node, FILLED) if isinstance(node, str) else node


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the Compose file, with a whole deploy/.env."""
    found: dict[str, Any] = everywhere(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")))["services"]
    return found


@pytest.fixture(scope="module")
def tasks() -> dict[str, Any]:
    """The one container of each ECS task definition."""
    template, problems = decode(str(ROOT / "deploy" / "ecs.yaml"))
    assert problems == []
    resources = template["Resources"]
    return {name: resources[task]["Properties"]["ContainerDefinitions"][0] for task, name in TASKS.items()}


def is_command(words: list[str]) -> bool:
    """Whether `playbook-bot` takes these words: its commands, then options that the last of them has."""
    command: Command | None = cli
    while words and not words[0].startswith("-") and command is not None:
        command, words = getattr(command, "commands", {}).get(words[0]), words[1:]
    known = {name for parameter in command.params for name in parameter.opts} if command else set()
    return command is not None and {word for word in words if word.startswith("-")} <= known


def test_every_secret_must_be_given_and_the_example_names_it() -> None:
    """A forgotten password stops `up` with a sentence instead of starting with an empty one."""
    text = COMPOSE.read_text(encoding="utf-8")
    example = (ROOT / "deploy" / "compose.env.example").read_text(encoding="utf-8")
    names = set(re.findall(r"\$\{(\w+)", text))

    assert set(re.findall(r"(?m)^(\w+)=", example)) == names
    assert not re.findall(r"(?m)^\w+=.+$", example)
    for name in FILLED:
        with pytest.raises(KeyError, match=name):
            filled(text, {**FILLED, name: ""})


def test_what_is_started_exists(services: dict[str, Any], tasks: dict[str, Any]) -> None:
    """Each command is one of playbook-bot's."""
    for name in OURS:
        assert is_command(services[name]["command"]), name
        assert is_command(list(tasks[name]["Command"])), name
    assert not is_command(["wroker"])
    assert not is_command(["worker", "--hartbeat", "/tmp/alive"])


@pytest.mark.parametrize(("age", "code"), [(0, 0), (60, 1), (None, 1)])
def test_a_worker_that_hangs_is_seen(
    services: dict[str, Any], tasks: dict[str, Any], tmp_path: Path, age: int | None, code: int
) -> None:
    """By the age of the file that it touches, whichever way it is deployed."""
    alive = tmp_path / "alive"
    if age is not None:
        alive.touch()
        os.utime(alive, (time.time() - age, time.time() - age))
    for check in (services["worker"]["healthcheck"]["test"], list(tasks["worker"]["HealthCheck"]["Command"])):
        program = check[3].replace("/tmp/alive", str(alive))
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
        assert (check[:3], ran.returncode) == (["CMD", "python", "-c"], code)


def test_the_settings_are_taken(services: dict[str, Any], tmp_path: Path) -> None:
    """What bot and worker are given is what they load, PostgreSQL and RabbitMQ among it."""
    for name in ("bot", "worker"):
        given = {key: str(value) for key, value in services[name]["environment"].items()}
        settings = load({**given, "PLAYBOOK_BOT_PLAYBOOKS": str(tmp_path)})

        assert settings.dispatch == "celery"
        assert settings.database_url == "postgresql+psycopg://playbook_bot:p@postgres/playbook_bot"
        assert settings.broker_url.get_secret_value() == "amqp://playbook_bot:r@rabbitmq//"


def test_ecs_settings_are_taken(tasks: dict[str, Any], tmp_path: Path) -> None:
    """The same on ECS: every name is a setting, secrets come as secrets."""
    secrets = {
        "PLAYBOOK_BOT_DATABASE_URL": "postgresql://u:p@db/x", "PLAYBOOK_BOT_BROKER_URL": "amqps://u:p@mq:5671//",
        "PLAYBOOK_BOT_AUDIT_KEY": "k" * 32, "PLAYBOOK_BOT_SLACK_BOT_TOKEN": "xoxb-1",
        "PLAYBOOK_BOT_SLACK_APP_TOKEN": "xapp-1",
    }  # fmt: skip
    for name in ("bot", "worker"):
        plain = {each["Name"]: each["Value"] for each in tasks[name]["Environment"]}
        given = {key: value if isinstance(value, str) else GIVEN[value["Ref"]] for key, value in plain.items()}
        hidden = {each["Name"] for each in tasks[name]["Secrets"]}
        settings = load({**given, **{each: secrets[each] for each in hidden}})

        assert not hidden & set(plain)
        assert not [key for key in plain if re.search("TOKEN|SECRET|KEY|URL$", key)], "secrets are not in plain sight"
        assert settings.dispatch == "celery"


def test_nothing_runs_with_more_rights_than_it_needs(services: dict[str, Any], tasks: dict[str, Any]) -> None:
    """Read-only root file system, no capability, no new privileges; /tmp is the one place to write."""
    for name in OURS:
        service = services[name]
        assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "user", "network_mode", "pid"} & set(service)
        assert tasks[name]["ReadonlyRootFilesystem"] is True


def test_everything_waits_for_what_it_needs(services: dict[str, Any]) -> None:
    """The schema is brought up once the database answers, and bots and workers start after that."""
    for name in ("postgres", "rabbitmq"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"
    assert services["upgrade"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("bot", "worker"):
        assert services[name]["depends_on"] == {
            "upgrade": {"condition": "service_completed_successfully"},
            "rabbitmq": {"condition": "service_healthy"},
        }
    assert not [name for name, service in services.items() if "ports" in service], "nothing is open to the outside"


def test_data_outlive_their_containers(services: dict[str, Any]) -> None:
    """PostgreSQL and RabbitMQ each keep theirs in a volume; the broker's node keeps its name."""
    volumes = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["volumes"]

    assert set(volumes) == {"postgres", "rabbitmq"}
    assert all(services[name]["volumes"][0].startswith(f"{name}:/var/lib/") for name in volumes)
    assert services["rabbitmq"]["hostname"]


def test_ecs_rolls_and_rolls_back() -> None:
    """Never fewer than wanted while a new version comes, and the old one again when it does not come up."""
    template, _ = decode(str(ROOT / "deploy" / "ecs.yaml"))
    for name in ("BotService", "WorkerService"):
        rolling = template["Resources"][name]["Properties"]["DeploymentConfiguration"]
        assert rolling["MinimumHealthyPercent"] == 100
        assert json.loads(json.dumps(rolling["DeploymentCircuitBreaker"])) == {"Enable": True, "Rollback": True}


def test_a_stopping_container_has_time_for_what_is_in_hand(services: dict[str, Any], tasks: dict[str, Any]) -> None:
    """Longer than a bot keeps its lease while a Slack call is on its way (infra/leadership.py)."""
    from infra.leadership import LAST_WORK

    assert int(services["bot"]["stop_grace_period"].rstrip("s")) > LAST_WORK.total_seconds()
    assert tasks["bot"]["StopTimeout"] > LAST_WORK.total_seconds()
