"""`playbook-bot demo`: a world to try the bot in, on one machine, with nothing real at stake."""

import json
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from bot.demo import fleet, running
from bot.demo.aws import client
from bot.demo.children import ChildFailed
from bot.demo.environment import is_run_by_make
from bot.demo.fleet import UnknownAlarm
from bot.demo.play import play as play_story
from bot.demo.running import NoDemoRuns
from bot.demo.story import StoryBroken
from bot.demo.window import DeadlinePassed
from bot.demo.world import World

PORT = click.IntRange(0, 65535)
WATCH_SECONDS = 0.5
RESTARTS = 3
"""So often the bot may end within RESTART_WINDOW before the demo gives up."""
RESTART_WINDOW_SECONDS = 20.0


@click.group(invoke_without_command=True)
@click.option("--play", is_flag=True, help="Play the story without a person; exit 0 only if it truly happened.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object: the coordinates, or with --play the story."
)
@click.option("--http", "http_port", type=PORT, metavar="PORT", help="Signed HTTP mode on this port; 0: any.")
@click.option("--console-port", type=PORT, default=0, metavar="PORT", help="Port of the Slack page; default: any.")
@click.option("--alarm-after", type=float, default=5.0, show_default=True, help="Seconds to the first alarm; 0: none.")
@click.pass_context
def demo(
    context: click.Context, *, play: bool, as_json: bool, http_port: int | None, console_port: int, alarm_after: float
) -> None:
    """Bring up an AWS, a Slack workspace and the bot on this machine, and let an alarm turn red."""
    if context.invoked_subcommand is not None:
        return
    try:
        planned = World(http_port=http_port, console_port=console_port)
    except ChildFailed as failure:
        _refuse(str(failure), exit_code=1)
    with _running_world(planned) as world:
        if play:
            _play(world, as_json=as_json)
        else:
            _attend(world, as_json=as_json, alarm_after=alarm_after)


PICK = click.option("--url", default="", help="The bot's address, to pick one of several demos; default: the last.")


@demo.command()
@click.argument("name", default=fleet.FIRST_RED)
@PICK
def alarm(name: str, url: str) -> None:
    """Turn an alarm of the running demo red."""
    try:
        endpoint = _picked(url)["environment"]["AWS_ENDPOINT_URL"]
        was_red = fleet.turn_red(lambda service, region: client(endpoint, service, region), name)
    except (NoDemoRuns, UnknownAlarm) as refusal:
        _refuse(str(refusal))
    click.echo(f"{name} recovered and is red again." if was_red else f"{name} is red.")


@demo.command()
@PICK
def env(url: str) -> None:
    """Print the running demo's settings: `eval "$(playbook-bot demo env)"` lets other commands work in it."""
    try:
        environment = _picked(url)["environment"]
    except NoDemoRuns as refusal:
        _refuse(str(refusal))
    for name, value in environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _picked(url: str) -> dict[str, Any]:
    """The running demo that is meant; where several run and none is named, it is said which. Raises NoDemoRuns."""
    demos = running.found()
    addresses = [str(one["url"]) for one in demos]
    if not url and len(demos) > 1:
        click.echo(f"{len(demos)} demos run: {', '.join(addresses)}. This is the first; --url picks another.", err=True)
    if not url:
        return demos[0]
    if url.rstrip("/") not in addresses:
        _refuse(f"No demo runs at {url}; there is {', '.join(addresses)}.")
    return demos[addresses.index(url.rstrip("/"))]


@contextmanager
def _running_world(world: World) -> Iterator[World]:
    """The world, up; it is taken down whatever happens, and a signal is a way to leave."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        world.start()
        running.announce(world.coordinates(), environment=world.settings_overrides())
        yield world
    except ChildFailed as failure:
        _refuse(str(failure), exit_code=1)
    except KeyboardInterrupt:
        click.echo("\nThe demo is over.", err=True)
    finally:
        running.withdraw()
        world.stop()


def _attend(world: World, *, as_json: bool, alarm_after: float) -> None:
    """Say where things are, let the first alarm turn red, and keep the bot up until somebody ends the demo."""
    parent = os.getppid()  # before anybody knows that the demo is there, and could end make
    if as_json:
        click.echo(json.dumps(world.coordinates()))
        sys.stdout.flush()
    click.echo(_introduction(world, alarm_after=alarm_after), err=as_json)
    never = threading.Event()
    red_at = time.monotonic() + alarm_after if alarm_after > 0 else float("inf")
    ended: list[float] = []
    while not never.wait(WATCH_SECONDS):
        if is_run_by_make() and os.getppid() != parent:
            click.echo("make has ended, and the demo with it.", err=True)
            return
        world.check()
        if time.monotonic() >= red_at:
            red_at = float("inf")
            fleet.turn_red(world.aws.client, fleet.FIRST_RED)
            click.echo(f"{fleet.FIRST_RED} is red.", err=True)
        if world.bot is not None and not world.bot.is_running:
            ended = [at for at in ended if time.monotonic() - at < RESTART_WINDOW_SECONDS] + [time.monotonic()]
            if len(ended) > RESTARTS:
                raise ChildFailed(f"The bot does not stay up. Its last words:\n{world.bot.last_words()}")
            click.echo("The bot has ended; it is started again.", err=True)
            world.start_bot()


def _play(world: World, *, as_json: bool) -> None:
    try:
        told = play_story(world)
    except (StoryBroken, DeadlinePassed) as broken:
        _refuse(f"The story did not happen: {broken}", exit_code=1)
    click.echo(json.dumps(told.as_json(), indent=2) if as_json else str(told))
    if not told.is_true:
        _refuse("\n".join(told.doubts), exit_code=1)


def _introduction(world: World, *, alarm_after: float) -> str:
    command = _command()
    requester, approver, outsider = world.identity.requester, world.identity.approver, world.identity.outsider
    others = ", ".join(watch.name for watch in fleet.WATCHES if watch.name != fleet.FIRST_RED)
    soon = f"In {alarm_after:g} s {fleet.FIRST_RED} turns red. " if alarm_after > 0 else ""
    if not world.has_slack:
        return (
            f"{world.why_no_slack}\nThe demo goes on with the terminal and signed HTTP at {world.url}/slack/events.\n"
            f'{soon}Three things to try in another terminal, after eval "$({command} demo env)":\n'
            f"  1. {command} status, {command} approvals and {command} approve REQUEST\n"
            f"  2. {command} demo alarm NAME — {others}\n"
            f"  3. {command} audit verify\nCtrl-C ends it."
        )
    return (
        f"Open {world.workspace.page}\n{soon}Three things to try there:\n"
        f"  1. Press Approve on the card: as {outsider.real_name} (refused), then as {approver.real_name}; "
        f"“Act as” at the top says who you are, at first {requester.real_name}.\n"
        f"  2. Type /playbook list, then /playbook run with one of them: what is missing opens a form.\n"
        f"  3. Make more trouble from another terminal: {command} demo alarm NAME — {others}.\n"
        f"Ctrl-C ends it."
    )


def _command() -> str:
    """How this program is called from here."""
    found = shutil.which("playbook-bot")
    if found is not None and Path(found).resolve().parent == Path(sys.executable).resolve().parent:
        return "playbook-bot"
    script = Path(sys.executable).with_name("playbook-bot")
    called = script if script.exists() else None
    here = Path.cwd()
    if called is not None and called.is_relative_to(here):
        return str(called.relative_to(here))
    return str(called) if called is not None else f"{sys.executable} -m bot"


def _refuse(sentence: str, *, exit_code: int = 2) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(exit_code)
