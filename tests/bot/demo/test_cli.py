"""The demo's commands answer in sentences, and a bot that dies is started again."""

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.demo import cli, fleet, moto_alarms, running
from bot.demo.children import ChildFailed
from bot.demo.cli import demo
from bot.demo.environment import cache_folder

ENVIRONMENT = {"AWS_ENDPOINT_URL": "http://127.0.0.1:2", "PLAYBOOK_BOT_CHANNEL": "it's #incidents"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No demo of the user's own is seen."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def announced() -> None:
    """A demo runs."""
    running.announce({"url": "http://127.0.0.1:1"}, environment=ENVIRONMENT)


@pytest.mark.parametrize("arguments", [["alarm", "web-1-system-check"], ["env"]])
def test_without_a_demo_there_is_nothing_to_do(arguments: list[str]) -> None:
    """The sentence says how to start one, and the exit code is 2."""
    answer = CliRunner().invoke(demo, arguments)

    assert (answer.exit_code, "No demo runs on this machine now" in answer.output) == (2, True)


def test_an_alarm_of_the_running_demo_turns_red(
    client: Callable[..., Any], announced: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command finds the demo's AWS by itself; without a name it is the first alarm."""
    moto_alarms.install()
    fleet.build(client)
    endpoints: list[str] = []

    def connect(endpoint: str, service: str, region: str) -> Any:
        endpoints.append(endpoint)
        return client(service, region)

    monkeypatch.setattr(cli, "client", connect)

    first, again = (CliRunner().invoke(demo, ["alarm"]) for _ in range(2))

    assert first.output == "web-1-system-check is red.\n"
    assert again.output == "web-1-system-check recovered and is red again.\n"
    assert set(endpoints) == {"http://127.0.0.1:2"}


def test_an_unknown_alarm_is_answered_with_the_names(announced: None) -> None:
    """A typo is no traceback."""
    answer = CliRunner().invoke(demo, ["alarm", "web-9"])

    assert (answer.exit_code, "It has: web-1-system-check" in answer.output) == (2, True)


def test_the_environment_is_fit_for_a_shell(announced: None) -> None:
    """What `demo env` prints can be evaluated, whatever characters are in it."""
    printed = CliRunner().invoke(demo, ["env"]).output

    script = f'{printed}\nprintf "%s" "$PLAYBOOK_BOT_CHANNEL"'
    read = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert read.stdout == "it's #incidents"


class Mortal:
    """A bot that is found dead so many times."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths

    @property
    def is_running(self) -> bool:
        """Whether it lives this time; when it has died often enough somebody presses Ctrl-C."""
        self.deaths -= 1
        if self.deaths < 0:
            raise KeyboardInterrupt
        return False

    def last_words(self) -> str:
        """What it said."""
        return "no space left"


class SmallWorld:
    """As much of a world as attending needs."""

    def __init__(self, deaths: int) -> None:
        self.bot = Mortal(deaths)
        self.starts = 0

    def coordinates(self) -> dict[str, str]:
        """Where things are."""
        return {"url": "http://127.0.0.1:1"}

    def check(self) -> None:
        """Nothing else has ended."""

    def start_bot(self) -> None:
        """Start it again."""
        self.starts += 1


def _attend(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_introduction", lambda *_, **__: "Hello.")
    monkeypatch.setattr(cli, "WATCH_SECONDS", 0)
    cli._attend(world, as_json=True, alarm_after=0)


def test_a_killed_bot_is_started_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It comes up again, and only the JSON object stands on stdout."""
    world = SmallWorld(deaths=2)

    with pytest.raises(KeyboardInterrupt):
        _attend(world, monkeypatch)

    printed = capsys.readouterr()
    assert world.starts == 2
    assert printed.out == '{"url": "http://127.0.0.1:1"}\n'
    assert printed.err.count("The bot has ended; it is started again.") == 2


def test_a_bot_that_cannot_live_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few deaths in a row the demo shows its last words and ends."""
    world = SmallWorld(deaths=99)

    with pytest.raises(ChildFailed, match=r"does not stay up(.|\n)*no space left"):
        _attend(world, monkeypatch)

    assert world.starts == cli.RESTARTS


def _announced_by(pid: int, url: str, endpoint: str) -> None:
    file = cache_folder() / f"demo-{pid}.json"
    environment = {"AWS_ENDPOINT_URL": endpoint}
    file.write_text(json.dumps({"pid": pid, "url": url, "environment": environment}))
    os.utime(file, (1, 1))


def test_of_two_demos_the_last_is_meant_or_the_one_named(announced: None) -> None:
    """Two demos may run; which one is meant is said, and --url picks the other."""
    _announced_by(os.getppid(), "http://127.0.0.1:8", "http://127.0.0.1:9")

    last = CliRunner().invoke(demo, ["env"])
    other = CliRunner().invoke(demo, ["env", "--url", "http://127.0.0.1:8/"])
    neither = CliRunner().invoke(demo, ["env", "--url", "http://127.0.0.1:7"])

    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:2\n" in last.stdout
    assert "2 demos run: http://127.0.0.1:1, http://127.0.0.1:8. This is the first" in last.stderr
    assert other.output == "export AWS_ENDPOINT_URL=http://127.0.0.1:9\n"
    assert (neither.exit_code, neither.stdout) == (2, "")
    assert "No demo runs at http://127.0.0.1:7; there is http://127.0.0.1:1, http://127.0.0.1:8." in neither.stderr


@pytest.mark.parametrize("option", ["--http", "--console-port"])
def test_a_port_that_is_taken_is_refused_before_anything_starts(
    option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The sentence names the port; no folder is left."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answer = CliRunner().invoke(demo, [option, str(port)])

    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"Port {port} of this machine cannot be had (Address already in use)")
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_cannot_be_is_refused() -> None:
    """99999 is no port."""
    answer = CliRunner().invoke(demo, ["--http", "99999"])

    assert (answer.exit_code, "0<=x<=65535" in answer.output) == (2, True)
