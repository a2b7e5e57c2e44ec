"""The gate before the listeners: whose request it is, whether it was seen before, and what is said when it fails."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from bot.slack.blocks.card import APPROVE
from bot.slack.blocks.controls import STOP
from bot.slack.blocks.replies import NOT_OURS, OUT_OF_DATE, SEEN_BEFORE
from bot.slack.workspace import Workspace
from infra.clock import utc_now
from tests.bot.slack.rig import Rig


@pytest.mark.parametrize("field", ["api_app_id", "team_id"])
def test_a_command_for_another_app_or_workspace_is_refused(rig: Rig, field: str) -> None:
    """It is answered with a sentence, nothing is done, and the trail remembers it."""
    answer = rig.command("run nap", **{field: "X09OTHER"})

    assert (answer.status, answer.text) == (200, NOT_OURS)
    assert rig.count() == 0
    assert "X09OTHER" in rig.reasons()[0]


def test_a_click_for_another_app_or_workspace_is_refused(rig: Rig) -> None:
    """Privately, and without a decision."""
    facts = rig.started()
    rig.click(STOP, facts.id, team={"id": "T09OTHER"})
    rig.click(STOP, facts.id, api_app_id="A09OTHER")

    assert rig.whispers() == [NOT_OURS, NOT_OURS]
    assert rig.newest().status == "Waiting"


def test_a_form_for_another_workspace_is_refused_in_the_form(rig: Rig) -> None:
    """The form itself says so."""
    rig.command("run restart")
    [view] = rig.opened()
    payload = {**rig._interaction("view_submission", rig.lee), "team": {"id": "T09OTHER"}, "view": {**view, "id": "V1"}}
    answer = rig.interact(payload)

    assert answer.json["response_action"] == "update"
    assert NOT_OURS in json.dumps(answer.json)


def test_an_event_is_judged_by_whom_it_is_for(rig: Rig) -> None:
    """In a shared channel an event names the other team; its authorization names ours."""
    body = rig.event_body("app_home_opened", user=rig.lee, tab="home")
    body["team_id"] = "T09OTHER"
    ours = rig.post(json.dumps(body).encode(), content_type="application/json")
    body["authorizations"] = [{"team_id": "T09OTHER"}]
    theirs = rig.post(json.dumps(body).encode(), content_type="application/json")

    assert (ours.status, ours.content) == (200, b"")
    assert theirs.content.decode() == NOT_OURS


def test_a_request_of_an_unknown_workspace_is_nobodys(rig: Rig) -> None:
    """As long as neither the settings nor Slack say which workspace is ours, nobody may do anything."""
    assert isinstance(rig.door.workspace, Workspace)
    rig.door.workspace._given = ""
    rig.slack.trouble("auth.test", cut="before", times=9)
    answer = rig.command("run nap")

    assert "Slack does not tell me who you are right now" in answer.text
    assert rig.count() == 0


def test_a_retry_is_answered_once_more_but_not_done(rig: Rig) -> None:
    """The very same request, with Slack's retry header, does not repeat a verb that changes something."""
    body = urlencode(rig.command_fields("run nap")).encode()
    rig.post(body)
    again = rig.post(body, headers={"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"})

    assert again.text == SEEN_BEFORE
    assert rig.count() == 1


def test_a_request_that_only_tells_may_be_repeated(rig: Rig) -> None:
    """Help costs no row, and is given again."""
    body = urlencode(rig.command_fields("help")).encode()

    assert rig.post(body).text == rig.post(body).text


def test_an_event_told_three_times_is_answered_once(rig: Rig) -> None:
    """A mention gets one answer, in its thread, by the outbox."""
    body = json.dumps(rig.event_body("app_mention", user=rig.lee, channel=rig.slack.identity.channel, ts="9000.1"))
    for _ in range(3):
        rig.post(body.encode(), content_type="application/json")
    rig.settle()

    [message] = rig.slack.messages()
    assert message["thread_ts"] == "9000.1"
    assert "/playbook run NAME" in message["text"]


def test_a_bot_that_mentions_us_gets_no_answer(rig: Rig) -> None:
    """Two bots must not talk for ever."""
    rig.event("app_mention", user="U9", bot_id="B9", channel=rig.slack.identity.channel, ts="9000.1")
    rig.settle()

    assert rig.slack.messages() == []


def test_a_button_nobody_listens_to_is_out_of_date(rig: Rig) -> None:
    """A card of an older version is answered with a sentence, not with silence."""
    answer = rig.click("retry_v1", "x")

    assert answer.status == 200
    assert rig.whispers() == [OUT_OF_DATE]


def test_a_defect_is_an_apology_with_an_id(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback reaches a person; the reference leads to the log."""
    facts = rig.started()

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(rig.service.operations, "decide", broken)
    monkeypatch.setattr(rig.service.queries, "playbooks", broken)
    rig.click(APPROVE, rig.buttons()[APPROVE], rig.sam)
    answer = rig.command("list")

    for text in (*rig.whispers(), answer.text):
        assert "Something went wrong on my side" in text
        assert "secret detail" not in text
        assert "Reference `" in text
    assert rig.newest().id == facts.id


def test_every_request_is_measured(rig: Rig) -> None:
    """The time until acknowledgement is observed by kind, refused ones included."""
    rig.command("help")
    rig.command("help", team_id="T09OTHER")
    rig.click("retry_v1", "x")
    rig.event("user_change", user={"id": rig.lee})

    assert rig.observed == ["command", "command", "block_actions", "event"]


def test_url_verification_and_ssl_check_are_answered(rig: Rig) -> None:
    """Slack finds out that the address is ours."""
    body = json.dumps({"type": "url_verification", "challenge": "c1", "token": "x"}).encode()

    assert rig.post(body, content_type="application/json").json["challenge"] == "c1"
    assert rig.post(b"ssl_check=1&token=x").status == 200


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = some.sampled_from(
    ["type", "actions", "user", "team", "view", "event", "command", "text", "trigger_id", "user_id", "response_url",
     "authorizations", "channel", "api_app_id", "enterprise", "is_enterprise_install", "container", "message"]
)  # fmt: skip
kinds = some.sampled_from(["block_actions", "view_submission", "view_closed", "event_callback", "shortcut", "x"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.dictionaries(names, json_values, max_size=8), kinds, some.sampled_from(["json", "form"]))
def test_whatever_is_signed_never_breaks_the_door(rig: Rig, payload: dict[str, object], kind: str, wire: str) -> None:
    """A signed request of any shape is answered; nothing is started, and no status is 500."""
    body = {"type": kind, **payload}
    if wire == "json":
        answer = rig.post(json.dumps(body).encode(), content_type="application/json")
    else:
        answer = rig.post(urlencode({"payload": json.dumps(body)}).encode())

    assert answer.status in (200, 400, 404)
    assert b"Traceback" not in answer.content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.binary(max_size=200))
def test_signed_bytes_never_break_the_door(rig: Rig, body: bytes) -> None:
    """Truncated, non-UTF-8 or plain nonsense: refused with a sentence."""
    answer = rig.post(body)

    assert answer.status in (200, 400, 404)


def test_the_clock_is_todays(rig: Rig) -> None:
    """The rig signs with the time Bolt itself looks at."""
    assert abs((rig.clock() - utc_now()).total_seconds()) < 5
