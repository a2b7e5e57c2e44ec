"""The scopes of the manifest are what the bot needs, and no more, as a foreign Web API with strict scopes judges it.

User groups and links are not among what it knows, and `commands` and `app_mentions:read` are about what Slack sends:
`usergroups:read`, `links:read`, `links:write` and those two are left to a real workspace.
"""

import hashlib
import hmac
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

import pytest

from bot.demo import fleet
from bot.demo.environment import cache_folder
from bot.demo.person import buttons
from bot.demo.story import APPROVE
from bot.demo.workspace import Identity, Member
from bot.demo.world import World
from bot.slack.blocks import form
from bot.slack.manifest import SCOPES
from tests.scenarios.emulated import Call, Emulated, EmulateMissing

pytestmark = pytest.mark.slow

Found = TypeVar("Found")
PATIENCE: Final = 60
QUICK: Final = {"stopping": 0.4, "pending": 0.4, "initializing": 0.1}
LOOK: Final = "xoxb-looks"
PICTURED: Final = "web-3-cpu-high"
CALLED: Final = {
    "auth.test", "chat.postEphemeral", "chat.postMessage", "chat.update", "conversations.info",
    "files.completeUploadExternal", "files.getUploadURLExternal", "users.info", "views.open", "views.publish",
    "views.push", "views.update",
}  # fmt: skip
"""Every method that the bot calls with the manifest's scopes, but for those that the emulator lacks."""
LOOKING: Final = ("channels:read", "channels:history", "groups:read", "users:read")


def _without(scope: str) -> str:
    """A token like the bot's, with one scope less."""
    return f"xoxb-without-{scope}"


class EmulatedWorld(World):
    """The demo's world with the emulator as its Slack: signed HTTP, as nobody could open a socket."""

    def __init__(self, slack: Emulated, identity: Identity) -> None:
        super().__init__(http_port=0, pace=QUICK)
        self.identity = identity
        self.slack = slack

    def _start_slack(self) -> None:
        self.slack.start()
        channels = {one["name"]: one["id"] for one in self.slack.call("conversations.list", LOOK)["channels"]}
        users = {one["name"]: one["id"] for one in self.slack.call("users.list", LOOK)["members"]}

        def known(member: Member) -> Member:
            return replace(member, id=users[member.name])

        self.identity = replace(
            self.identity,
            team_id=str(self.slack.call("auth.test", LOOK)["team_id"]),
            channel=channels["incidents"],
            requester=known(self.identity.requester),
            approver=known(self.identity.approver),
            outsider=known(self.identity.outsider),
        )
        self._write_config()
        self.why_no_slack, self.stand_in = "It is emulated.", self.slack


@pytest.fixture(scope="module")
def slack(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    """The emulator, or a skip that says why there is none."""
    identity = Identity()
    tokens = {"xoxb-bot": SCOPES, LOOK: LOOKING}
    tokens |= {_without(scope): tuple(one for one in SCOPES if one != scope) for scope in SCOPES}
    people = {member.name: member.real_name for member in identity.members.values()}
    try:
        return Emulated(tmp_path_factory.mktemp("emulate"), cache_folder(), tokens=tokens, people=people)
    except EmulateMissing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def world(slack: Emulated) -> Iterator[EmulatedWorld]:
    """A world whose story was played: every surface of the bot in Slack was used once."""
    made = EmulatedWorld(slack, Identity(bot_token="xoxb-bot"))
    try:
        made.start()
        _Story(made).play()
        yield made
    finally:
        made.stop()
        slack.stop()


class _Story:
    """What people do, as Slack would tell the bot."""

    def __init__(self, world: EmulatedWorld) -> None:
        self._world, self._slack, self._identity = world, world.slack, world.identity

    def play(self) -> None:
        """Commands, a form, a mention, the home; an alarm, a refusal, an approval, the end; and the doctor."""
        lee = self._identity.requester.id
        trigger = self._slack.call("views.generateTriggerId", "xoxb-bot", user_id=lee)["trigger_id"]
        self._command(lee, "list")
        self._command(lee, "run reboot-instance", trigger_id=trigger)
        self._event({"type": "app_home_opened", "user": lee, "tab": "home", "channel": "D1"})
        mention = {"type": "app_mention", "user": lee, "text": "<@U1> help", "ts": "1.1"}
        self._event({**mention, "channel": self._identity.channel})
        self._event(
            {
                **mention,
                "channel": self._identity.channel,
                "user": self._identity.outsider.id,
                "ts": "1.2",
                "text": "<@U1> run reboot-instance",
            }
        )
        self._preview(lee)
        fleet.turn_red(self._world.aws.client, PICTURED)
        _until(lambda: _by_method(self._slack.calls).get("files.completeUploadExternal"), "a picture of the metric")
        fleet.turn_red(self._world.aws.client, fleet.FIRST_RED)
        card = _until(lambda: self._card(lambda one: bool(_button(one))), "a card that asks")
        self._click(self._identity.outsider.id, card)
        _until(lambda: self._slack.responded, "the refusal")
        self._click(self._identity.approver.id, card)
        _until(lambda: self._card(lambda one: str(one["text"]).startswith("Success")), "a card that tells the success")
        self._world.terminal("doctor", "--json")

    def _preview(self, user: str) -> None:
        """*Preview* in a form that is open: a page above it, filled in a moment later."""
        opened = next(call.answer["view"] for call in self._slack.calls if call.method == "views.open")
        given = {"user_id": user, "view_id": opened["id"]}
        trigger = self._slack.call("views.generateTriggerId", "xoxb-bot", **given)["trigger_id"]
        self._interact(
            user,
            {
                "view": opened,
                "trigger_id": trigger,
                "actions": [
                    {"type": "button", "action_id": form.PREVIEW, "block_id": "look", "value": "reboot-instance"}
                ],
            },
        )
        _until(lambda: _by_method(self._slack.calls).get("views.update"), "the preview")

    def _card(self, is_right: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        found = self._slack.call("conversations.history", LOOK, channel=self._identity.channel)["messages"]
        about = [one for one in found if fleet.FIRST_RED in json.dumps(one.get("blocks") or [])]
        return next((one for one in about if is_right(one)), None)

    def _command(self, user: str, text: str, trigger_id: str = "") -> None:
        form = {"command": "/playbook", "text": text, "channel_id": self._identity.channel, "user_id": user}
        common = {"team_id": self._identity.team_id, "api_app_id": self._identity.app_id}
        self._post({**form, **common, "trigger_id": trigger_id or f"{time.time_ns()}.1.x"})

    def _click(self, user: str, card: dict[str, Any]) -> None:
        channel = {"id": self._identity.channel}
        where = {
            "channel": channel,
            "message": card,
            "container": {"type": "message", "message_ts": card["ts"], "channel_id": channel["id"]},
            "trigger_id": f"{time.time_ns()}.1.x",
            "response_url": self._slack.response_url,
        }
        self._interact(user, {**where, "actions": [{**_button(card), "action_ts": str(time.time())}]})

    def _interact(self, user: str, what: dict[str, Any]) -> None:
        team = {"id": self._identity.team_id}
        who = {"user": {"id": user, "team_id": team["id"]}, "api_app_id": self._identity.app_id, "team": team}
        self._post({"payload": json.dumps({"type": "block_actions", **who, **what})})

    def _event(self, event: dict[str, Any]) -> None:
        common = {"team_id": self._identity.team_id, "api_app_id": self._identity.app_id}
        body = {"type": "event_callback", "event": event, "event_id": f"Ev{time.time_ns()}", **common}
        self._send(json.dumps(body).encode(), "application/json")

    def _post(self, form: dict[str, str]) -> None:
        self._send(urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded")

    def _send(self, body: bytes, kind: str) -> None:
        at, secret = str(int(time.time())), self._identity.signing_secret.encode()
        signature = hmac.new(secret, f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={signature}", "Content-Type": kind}
        request = urllib.request.Request(f"{self._world.url}/slack/events", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            assert answer.status == 200


def _button(card: dict[str, Any]) -> dict[str, Any]:
    return dict(next((one for one in buttons(card) if one["text"]["text"] == APPROVE), {}))


def _until(what: Callable[[], Found | None], told: str) -> Found:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{told} was not seen within {PATIENCE} s")


def _by_method(calls: list[Call]) -> dict[str, Call]:
    return {call.method: call for call in calls}


def test_the_manifests_scopes_are_enough(world: EmulatedWorld) -> None:
    """Everything the bot called in the story was allowed by exactly the scopes that its manifest asks for."""
    called = _by_method(world.slack.calls)
    short = [(call.method, call.answer.get("needed")) for call in world.slack.calls if _is_short(call.answer)]

    assert short == []
    assert set(called) >= CALLED
    assert any("may decide" in str(one.get("text")) for one in world.slack.responded)


@pytest.mark.parametrize(
    ("scope", "methods"),
    [
        ("chat:write", {"chat.postEphemeral", "chat.postMessage", "chat.update"}),
        ("files:write", {"files.completeUploadExternal", "files.getUploadURLExternal"}),
        ("users:read", {"users.info"}),
        ("channels:read", {"conversations.info"}),
    ],
)
def test_no_scope_is_too_much(world: EmulatedWorld, scope: str, methods: set[str]) -> None:
    """The same calls with one scope less: just those fail that need it."""
    called = _by_method(world.slack.calls)

    answers = {method: world.slack.repeat(call, _without(scope)) for method, call in called.items()}

    assert {method for method, answer in answers.items() if _is_short(answer)} == methods


def test_private_channels_need_their_own_scope(world: EmulatedWorld) -> None:
    """A private incident channel is looked up with groups:read, and not without."""
    found = world.slack.call("conversations.list", LOOK, types="private_channel")["channels"]
    secret = next(one["id"] for one in found if one["name"] == "secret")

    allowed = world.slack.call("conversations.info", "xoxb-bot", channel=secret)
    refused = world.slack.call("conversations.info", _without("groups:read"), channel=secret)

    assert (_is_short(allowed), refused["error"], refused["needed"]) == (False, "missing_scope", "groups:read")


def test_the_bot_cannot_read_what_people_write(world: EmulatedWorld) -> None:
    """Nothing in the manifest lets it read a channel."""
    answer = world.slack.call("conversations.history", "xoxb-bot", channel=world.identity.channel)

    assert (answer["error"], answer["needed"]) == ("missing_scope", "channels:history")


def _is_short(answer: Any) -> bool:
    return bool(answer.get("error") == "missing_scope")
