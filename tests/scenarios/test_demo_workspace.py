"""The local Slack workspace as the demo runs it: an ordinary Bolt app and people on both sides of it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk import WebClient
from waitress import create_server

from bot.demo.children import free_port
from bot.demo.environment import cache_folder
from bot.demo.local_slack import WorkspaceUnavailable
from bot.demo.person import Person, text_of
from bot.demo.window import DeadlinePassed, Window
from bot.demo.workspace import Identity, Workspace, is_confined

PATIENCE = 15


def _plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def _option(label: str, value: str) -> dict[str, Any]:
    return {"text": _plain(label), "value": value}


def _input(block_id: str, label: str, element: dict[str, Any]) -> dict[str, Any]:
    return {"type": "input", "block_id": block_id, "label": _plain(label), "element": {"action_id": "v", **element}}


CARD: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Stop the instance?"}},
    {
        "type": "actions",
        "block_id": "question",
        "elements": [{"type": "button", "action_id": "approve:r1", "value": "r1", "text": _plain("Approve")}],
    },
]
MODES = [_option("Soft", "soft"), _option("Hard", "hard")]
FORM = {
    "type": "modal",
    "callback_id": "run",
    "title": _plain("Run"),
    "submit": _plain("Run"),
    "blocks": [
        _input("instance", "Instance", {"type": "plain_text_input", "initial_value": "i-1"}),
        _input("reason", "Reason", {"type": "plain_text_input"}),
        _input("mode", "Mode", {"type": "static_select", "options": MODES, "initial_option": MODES[0]}),
        _input("checks", "Checks", {"type": "checkboxes", "options": MODES}),
    ],
}


class Bot:
    """The smallest bot that does what ours does: a card, a private answer, an edit, a form."""

    def __init__(self, workspace: Workspace) -> None:
        identity = workspace.identity
        web = WebClient(token=identity.bot_token, base_url=workspace.api_url)
        self.submitted: list[dict[str, Any]] = []
        self.app = App(client=web, signing_secret=identity.signing_secret, process_before_response=True)
        self.app.command("/playbook")(self._command)
        self.app.action("approve:r1")(self._approve)
        self.app.view("run")(self._submit)
        app_web = WebClient(token=identity.app_token, base_url=workspace.api_url)
        self.socket: Any = SocketModeHandler(self.app, identity.app_token, web_client=app_web)

    def _command(self, ack: Any, command: dict[str, str], client: WebClient) -> None:
        if command["text"] == "form":
            client.views_open(trigger_id=command["trigger_id"], view=FORM)
            ack()
            return
        client.chat_postMessage(channel=command["channel_id"], text="a card", blocks=CARD)
        ack(text="only for you", response_type="ephemeral")

    def _approve(self, ack: Any, body: dict[str, Any], client: WebClient) -> None:
        channel, ts = body["channel"]["id"], body["message"]["ts"]
        client.chat_update(channel=channel, ts=ts, text=f"approved by <@{body['user']['id']}>", blocks=[])
        client.chat_postMessage(channel=channel, thread_ts=ts, text=f"value {body['actions'][0]['value']}")
        ack()

    def _submit(self, ack: Any, body: dict[str, Any]) -> None:
        values = body["view"]["state"]["values"]
        if values["reason"]["v"]["value"] is None:
            ack(response_action="errors", errors={"reason": "Say why."})
            return
        self.submitted.append(values)
        ack()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace in Socket Mode, or a skip that says why there is none."""
    made = Workspace(tmp_path_factory.mktemp("workspace"), cache_folder(), identity=Identity())
    try:
        made.start()
        made.wait()
    except WorkspaceUnavailable as reason:
        pytest.skip(str(reason))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def bot(workspace: Workspace) -> Iterator[Bot]:
    """A bot that is connected."""
    made = Bot(workspace)
    made.socket.connect()
    yield made
    made.socket.close()


@pytest.fixture
def window(workspace: Workspace, bot: Bot) -> Iterator[Window]:
    """What a browser would see."""
    opened = Window(workspace.page)
    yield opened
    opened.close()


@pytest.fixture
def lee(workspace: Workspace, window: Window) -> Person:
    """The requester."""
    return Person(window, workspace.page, workspace.identity.requester, workspace.identity.channel)


@pytest.fixture
def sam(workspace: Workspace, window: Window) -> Person:
    """The approver."""
    return Person(window, workspace.page, workspace.identity.approver, workspace.identity.channel)


def test_only_this_machine_can_reach_it(workspace: Workspace) -> None:
    """Its one listening socket is on loopback, though the program has no option for it."""
    assert is_confined(int(workspace.page.rpartition(":")[2]))


def test_a_command_a_click_and_what_everybody_sees(lee: Person, sam: Person, window: Window) -> None:
    """A card appears, its answer is private, a click by another person edits it and writes in its thread."""
    private_before, cards_before = len(lee.ephemerals), len(lee.messages())
    lee.command("/playbook list")
    card = window.wait_for(lambda: lee.messages()[cards_before:], PATIENCE, "the card")[0]
    window.wait_for(lambda: len(lee.ephemerals) > private_before, PATIENCE, "the private answer")

    sam.click(card, "Approve")

    replies = window.wait_for(lambda: sam.thread(card["ts"]), PATIENCE, "the reply")
    now = window.message(card["channel"], card["ts"])
    assert now is not None
    assert text_of(now) == f"approved by <@{sam.member.id}>"
    assert (window.updates(card["ts"]), text_of(replies[0])) == (1, "value r1")
    assert window.first_seen(card["ts"]) > 0
    assert text_of(lee.ephemerals[-1]) == "only for you"
    assert sam.ephemerals == []


def test_a_form_keeps_what_it_was_filled_with(lee: Person, window: Window, bot: Bot) -> None:
    """Fields that a person leaves as they are arrive with their initial values, as from Slack."""
    lee.command("/playbook form")
    window.wait_for(window.form, PATIENCE, "the form")
    lee.submit({})
    refused = window.wait_for(window.form_errors, PATIENCE, "the refusal")

    lee.submit({"Reason": "it hangs", "checks": "Hard"})

    window.wait_for(lambda: not window.form(), PATIENCE, "the form's end")
    values = bot.submitted[-1]
    assert refused == {"reason": "Say why."}
    assert values["instance"]["v"]["value"] == "i-1"
    assert values["reason"]["v"]["value"] == "it hangs"
    assert values["mode"]["v"]["selected_option"]["value"] == "soft"
    assert [one["value"] for one in values["checks"]["v"]["selected_options"]] == ["hard"]


def test_waiting_for_nothing_ends(window: Window) -> None:
    """A deadline passes with a sentence."""
    with pytest.raises(DeadlinePassed, match=r"a miracle did not happen within 0\.05 s"):
        window.wait_for(lambda: False, 0.05, "a miracle")


def test_a_window_opened_later_sees_what_was_said(lee: Person, window: Window, workspace: Workspace) -> None:
    """The first picture holds the channel's past."""
    lee.say("hello")
    window.wait_for(lambda: any(text_of(one) == "hello" for one in lee.messages()), PATIENCE, "the message")

    later = Window(workspace.page)

    assert any(text_of(one) == "hello" for one in later.messages(workspace.identity.channel))
    later.close()


@pytest.fixture
def signed(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace that posts to a bot over HTTP, and that bot."""
    port = free_port()
    made = Workspace(tmp_path, cache_folder(), identity=Identity(), request_url=f"http://127.0.0.1:{port}/slack/events")
    try:
        made.start()
        made.wait()
    except WorkspaceUnavailable as reason:
        pytest.skip(str(reason))
    web = WebClient(token=made.identity.bot_token, base_url=made.api_url)
    app = App(client=web, signing_secret=made.identity.signing_secret, process_before_response=True)
    app.command("/playbook")(lambda ack: ack(text="signed", response_type="ephemeral"))
    server: Any = create_server(SlackRequestHandler(app), host="127.0.0.1", port=port)
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    yield made
    made.stop()
    server.close()
    serving.join(PATIENCE)


def test_in_http_mode_requests_are_signed(signed: Workspace) -> None:
    """With a request URL the workspace posts there, and Bolt accepts its signature."""
    window = Window(signed.page)
    lee = Person(window, signed.page, signed.identity.requester, signed.identity.channel)

    lee.command("/playbook help")

    window.wait_for(lambda: lee.ephemerals, PATIENCE, "the private answer")
    assert text_of(lee.ephemerals[0]) == "signed"
    window.close()


def test_the_page_shows_what_is_meant(lee: Person, window: Window, bot: Bot) -> None:
    """Dates, entities and signs are shown as Slack shows them, a foreign mention stays text; kept is what was sent."""
    written = ":raised_hand: at <!date^1795570342^{time}|01:32 UTC>: OK -&gt; &lt;@U1&gt; &amp; :unheard_of:"
    places_before = len(lee.messages())

    bot.app.client.chat_postMessage(channel=lee.channel, text=written)

    shown = window.wait_for(lambda: lee.messages()[places_before:], PATIENCE, "the message")[0]
    kept = bot.app.client.conversations_history(channel=lee.channel, limit=1)["messages"][0]
    assert text_of(shown) == "✋ at 01:32 UTC: OK -> <\u2060@U1> & :unheard_of:"
    assert kept["text"] == written
