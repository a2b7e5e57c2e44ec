"""The demo as people run it: one command, a world that works, a story that is true, and nothing left behind."""

import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.demo import fleet
from bot.demo.children import CODE
from bot.demo.environment import cache_folder
from bot.demo.local_slack import WorkspaceUnavailable, program
from bot.demo.person import Person, text_of
from bot.demo.play import _asking, _card, _facts, _says_the_end, _waiting_execution
from bot.demo.story import APPROVE
from bot.demo.window import Message, Window
from bot.demo.workspace import Identity
from bot.demo.world import World

pytestmark = pytest.mark.slow
DEMO = [sys.executable, "-m", "bot", "demo"]
START_SECONDS = 60
PATIENCE = 60
QUICK = {"stopping": 0.5, "pending": 0.5, "initializing": 0.1}


@pytest.fixture(scope="module")
def needs_slack() -> None:
    """The local workspace's program is on this machine, or a skip that says why not."""
    try:
        program(cache_folder())
    except WorkspaceUnavailable as reason:
        pytest.skip(str(reason))


@contextmanager
def _demo(*arguments: str, **env: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """A demo as a process of its own, once it has said where things are."""
    command = [*DEMO, "--json", *arguments]
    with subprocess.Popen(
        command, cwd=CODE, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()), process
        finally:
            process.terminate()
            process.communicate(timeout=START_SECONDS)


def _post(coordinates: dict[str, Any], form: dict[str, str], *, secret: str = "") -> int:
    """Knock at the bot's Slack door as Slack would; returns the status."""
    body, at = urllib.parse.urlencode(form), str(int(time.time()))
    key = secret or coordinates["signing_secret"]
    signature = hmac.new(key.encode(), f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={signature}"}
    request = urllib.request.Request(f"{coordinates['url']}/slack/events", data=body.encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return int(refusal.code)


def _command(coordinates: dict[str, Any], text: str) -> dict[str, str]:
    return {
        "command": "/playbook",
        "text": text,
        "team_id": coordinates["team_id"],
        "api_app_id": coordinates["app_id"],
        "channel_id": coordinates["channel"],
        "user_id": coordinates["users"]["requester"],
        "user_name": "lee",
        "trigger_id": f"{time.time_ns()}.1.x",
        "response_url": f"{coordinates['url']}/nowhere",
        "is_enterprise_install": "false",
    }


def test_the_story_is_played_and_true(needs_slack: None) -> None:
    """`demo --play --json` ends with 0, and every member of its object tells of something that happened."""
    ran = subprocess.run(
        [*DEMO, "--play", "--json"], cwd=CODE, capture_output=True, text=True, timeout=180, check=False
    )

    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["execution"]["status"] == "Success"
    assert [step["status"] for step in told["execution"]["steps"]] == ["Success"] * len(told["execution"]["steps"])
    assert "aws:approve" in [step["action"] for step in told["execution"]["steps"]]
    assert told["approval"]["decided_by"] in told["approval"]["approvers"]
    assert told["approval"]["refused"]
    assert told["approval"]["decided_by"] not in told["approval"]["refused"]
    assert told["instance"]["launch_time_changed"] is True
    assert told["instance"]["state_after"] == "running"
    assert told["messages"]["card_updates"] > 0
    assert told["audit"]["chain"] == "valid"
    assert 0 < told["seconds"]["alarm_to_card"] < told["seconds"]["total"]


def test_signed_http_can_be_driven_from_outside(needs_slack: None) -> None:
    """With --http the first line says how; a right signature is served, a wrong one is 401."""
    with _demo("--http", "0", "--alarm-after", "0") as (coordinates, process):
        served = _post(coordinates, _command(coordinates, "help"))
        forged = _post(coordinates, _command(coordinates, "help"), secret="guessed")
        runs = process.poll() is None

    assert (served, forged, runs) == (200, 401, True)
    assert list(coordinates) == [
        "url",
        "signing_secret",
        "team_id",
        "app_id",
        "channel",
        "slack_api_url",
        "console_url",
        "users",
    ]
    assert list(coordinates["users"]) == ["requester", "approver", "outsider"]


def test_without_npm_it_goes_on(tmp_path: Path) -> None:
    """A machine without npm and an empty HOME: one sentence, and the bot serves signed HTTP all the same."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    env = {"PATH": str(tools), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with _demo("--alarm-after", "0.1", **env) as (coordinates, process):
        slack = WebClient(token="xoxb-any", base_url=coordinates["slack_api_url"])
        served = _post(coordinates, _command(coordinates, "list"))
        answered = slack.api_call("api.test", json={})["ok"] if served != 200 else True
        process.terminate()
        _, said = process.communicate(timeout=START_SECONDS)

    assert (served, answered, coordinates["console_url"]) == (200, True, None)
    assert "needs npm, which is not on this machine's PATH." in said


def test_nothing_is_left_behind(needs_slack: None, tmp_path: Path) -> None:
    """After SIGTERM the demo's children are gone, and its files."""
    with _demo("--alarm-after", "0", TMPDIR=str(tmp_path)) as (_, process):
        children = _children_of(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)

    assert len(children) == 3
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []
    assert list(tmp_path.iterdir()) == []


def test_two_demos_run_at_once_and_a_killed_one_takes_its_children_along(needs_slack: None, tmp_path: Path) -> None:
    """Kill -9 of one: its children end with it, the other one goes on, and clears its files away where it starts."""
    place = {"TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(_cache_with_the_program(tmp_path))}
    with _demo("--http", "0", "--alarm-after", "0", **place) as (first, killed):
        children = _children_of(killed.pid)
        killed.kill()
        killed.wait(START_SECONDS)
        with _demo("--alarm-after", "0", **place) as (second, _), _demo("--alarm-after", "0", **place) as (third, _):
            left = [child for child in children if _is_running(child)]
            folders = list(tmp_path.glob("playbook-bot-demo-*"))
            served = [_is_ready(one) for one in (second, third)]
            command = [*DEMO, "env", "--url", second["url"]]
            env = {**os.environ, **place}
            named = subprocess.run(command, cwd=CODE, env=env, capture_output=True, text=True, check=False)

    assert (left, len(folders), served) == ([], 2, [True, True])
    assert f"PLAYBOOK_BOT_SLACK_API_URL={second['slack_api_url']}\n" in named.stdout
    assert len({one["url"] for one in (first, second, third)}) == 3


@pytest.mark.skipif(not Path("/proc/self/task").exists() or not shutil.which("make"), reason="needs Linux and make")
def test_kill_9_of_make_ends_the_demo(needs_slack: None, tmp_path: Path) -> None:
    """A demo that make started does not outlive it."""
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"demo:\n\t@cd {CODE} && exec {' '.join(DEMO)} --json --alarm-after 0\n")
    # The tests themselves may be run by make, whose flags would be this one's, too.
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    command = ["make", "--no-print-directory", "-f", str(makefile), "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env) as make:
        assert make.stdout is not None
        json.loads(make.stdout.readline())
        (demo,) = _children_of(make.pid)
        family = [demo, *_children_of(demo)]
        make.kill()
    deadline = time.monotonic() + START_SECONDS
    while any(_is_running(one) for one in family) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert len(family) == 4
    assert [one for one in family if _is_running(one)] == []


def _cache_with_the_program(folder: Path) -> Path:
    """A cache of the test's own, so that it sees no demo of the user's; what was fetched once is not fetched again."""
    fetched = program(cache_folder())
    cache = folder / "cache" / "playbook-bot"
    cache.mkdir(parents=True)
    shutil.copy2(fetched, cache / fetched.name)
    return cache.parent


def _is_ready(coordinates: dict[str, Any]) -> bool:
    with urllib.request.urlopen(f"{coordinates['url']}/readyz", timeout=PATIENCE) as answer:
        return bool(answer.status == 200)


def _is_running(pid: int) -> bool:
    """Whether a process is alive; one that waits for its parent to notice its end is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_bot_killed_in_the_middle_of_a_step_goes_on_by_itself(needs_slack: None) -> None:
    """Kill -9 while the instance stops: the demo starts the bot again, it says what it caught up, the card goes on."""
    with _demo("--alarm-after", "0.1") as (coordinates, process):
        page, channel, people = coordinates["console_url"], coordinates["channel"], Identity()
        window = Window(page)
        sam = Person(window, page, people.approver, channel)
        card = window.wait_for(lambda: _card(sam, fleet.FIRST_RED), PATIENCE, "the card")
        sam.click(window.wait_for(lambda: _asking(window, card), PATIENCE, "the question"), APPROVE)
        window.wait_for(lambda: _called(sam, card, "StopInstances"), PATIENCE, "the call that stops the instance")
        bot = next(child for child in _children_of(process.pid) if b"bot\0serve" in _command_line(child))
        os.kill(bot, signal.SIGKILL)

        notice = window.wait_for(
            lambda: [one for one in sam.messages() if one["ts"] != card["ts"]], PATIENCE, "a notice"
        )
        ended = window.wait_for(lambda: _ended(window, card), PATIENCE, "the end on the card")
        stops = _called(sam, card, "StopInstances")
        window.close()

    assert "1 run taken up again" in text_of(notice[0])
    assert str(ended["text"]).startswith("Success")
    assert len(stops) == 1


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _called(reader: Person, card: Message, operation: str) -> list[Message]:
    return [reply for reply in reader.thread(card["ts"]) if operation in text_of(reply)]


def _ended(window: Window, card: Message) -> Message | None:
    now = window.message(card["channel"], card["ts"])
    return now if now is not None and _says_the_end(now) else None


def _children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_bot_killed_while_it_waits_takes_up_the_question(needs_slack: None) -> None:
    """Kill -9 between question and answer: started again, the old button still works and the instance restarts."""
    world = World(pace=QUICK)
    try:
        world.start()
        window = Window(world.workspace.page)
        sam = Person(window, world.workspace.page, world.identity.approver, world.identity.channel)
        fleet.turn_red(world.aws.client, fleet.FIRST_RED)
        card = window.wait_for(lambda: _card(sam, fleet.FIRST_RED), PATIENCE, "the card")
        asking = window.wait_for(lambda: _asking(window, card), PATIENCE, "the question")
        execution = _waiting_execution(world)
        assert world.bot is not None
        world.bot.kill()
        world.start_bot()

        sam.click(asking, APPROVE)

        deadline = time.monotonic() + PATIENCE
        while not _facts(world, execution).is_over and time.monotonic() < deadline:
            time.sleep(0.05)
        told = [text_of(message) for message in sam.messages()]
        assert _facts(world, execution).status == "Success", told
        assert "1 run taken up again, 1 question still waiting for an answer" in told[1]
        window.close()
    finally:
        world.stop()


def test_the_doctor_finds_nothing_in_the_demo(needs_slack: None) -> None:
    """Whoever tries `doctor` in the demo sees what a healthy installation looks like."""
    world = World(pace=QUICK)
    try:
        world.start()
        found = json.loads(world.terminal("doctor", "--json").printed)
    finally:
        world.stop()

    about_this_machine = {"scripts"}
    assert [one for one in found if not one["ok"] and one["name"] not in about_this_machine] == []
    assert {"audit key", "Slack token", "AWS identity", "clock"} <= {one["name"] for one in found}
