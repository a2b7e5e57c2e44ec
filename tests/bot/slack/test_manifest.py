"""The app manifest: what Slack would take, what the bot needs, and nothing beyond."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bot.slack.commandline import VERBS
from bot.slack.manifest import CONSOLE, EVENTS, OF_SEVERAL, OPTIONAL_SCOPES, SCOPES, ManifestRefused, manifest
from bot.slack.oauth import AppAtSlack
from bot.slack.shortcuts import CALLBACK
from bot.terminal.process import manifest as command

URL = "https://bot.example.com"
CODE = Path(__file__).resolve().parents[3] / "bot" / "slack"
NEEDED = {
    "auth_test": set(),
    "auth_revoke": set(),
    "apps_connections_open": set(),
    "views_open": set(),
    "views_push": set(),
    "views_update": set(),
    "views_publish": set(),
    "chat_postMessage": {"chat:write"},
    "chat_postEphemeral": {"chat:write"},
    "chat_unfurl": {"links:write"},
    "chat_update": {"chat:write"},
    "chat_delete": {"chat:write"},
    "chat_getPermalink": set(),
    "files_completeUploadExternal": {"files:write"},
    "files_getUploadURLExternal": {"files:write"},
    "files_upload_v2": {"files:write"},
    "users_info": {"users:read"},
    "users_profile_get": {"users.profile:read"},
    "usergroups_users_list": {"usergroups:read"},
    "conversations_info": {"channels:read", "groups:read"},
    "conversations_history": {"channels:history", "groups:history"},
    "conversations_replies": {"channels:history", "groups:history"},
}
"""Method -> the bot scopes it wants, as Slack documents them."""
EVENT_SCOPES = {
    "app_home_opened": set(),
    "app_mention": {"app_mentions:read"},
    "link_shared": {"links:read"},
    "subteam_members_changed": {"usergroups:read"},
    "subteam_updated": {"usergroups:read"},
    "user_change": {"users:read"},
}


def called() -> set[str]:
    """Every Web API method that some module of the door calls."""
    names = {
        node.func.attr
        for path in CODE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    methods = r"(apps|auth|chat|conversations|files|reactions|team|usergroups|users|views)_[a-zA-Z0-9_]+"
    return {name for name in names if re.fullmatch(methods, name)}


def test_the_scopes_are_what_is_called() -> None:
    """Each Web API method and event has its scope, and no scope is there for nothing."""
    methods = called()
    assert methods >= {"chat_postMessage", "users_info", "views_open"}
    assert methods <= NEEDED.keys()

    wanted = {scope for name in methods for scope in NEEDED[name]}
    wanted |= {scope for name in EVENTS for scope in EVENT_SCOPES[name]} | {"commands"}
    assert wanted - set(OPTIONAL_SCOPES) == set(SCOPES)


def test_the_events_are_those_that_are_listened_to() -> None:
    """Slack sends nothing for which there is no listener."""
    text = "".join(
        (CODE / name).read_text(encoding="utf-8") for name in ("home.py", "mentions.py", "removals.py", "unfurl.py")
    )

    assert all(f'"{event}"' in text for event in (*EVENTS, *OF_SEVERAL))


@pytest.mark.parametrize("url", [None, URL])
def test_several_workspaces_are_installed_by_oauth(url: str | None) -> None:
    """The way back of browsers, tokens that end, whole organisations, and news of what becomes of an installation."""
    made = manifest("Playbooks", url, public_url=f"{URL}/")

    assert made["oauth_config"]["redirect_urls"] == [f"{URL}/slack/oauth_redirect"]
    assert (made["settings"]["token_rotation_enabled"], made["settings"]["org_deploy_enabled"]) == (True, True)
    assert made["settings"]["socket_mode_enabled"] is (url is None)
    assert set(made["settings"]["event_subscriptions"]["bot_events"]) == {*EVENTS, *OF_SEVERAL}


@pytest.mark.parametrize("url", [None, URL])
def test_one_workspace_has_nothing_of_several(url: str | None) -> None:
    """Its token does not end, and no event tells of an installation that is in the settings."""
    made = manifest("Playbooks", url)

    assert "redirect_urls" not in made["oauth_config"]
    assert (made["settings"]["token_rotation_enabled"], made["settings"]["org_deploy_enabled"]) == (False, False)
    assert not set(OF_SEVERAL) & set(made["settings"]["event_subscriptions"]["bot_events"])


def test_the_way_back_is_the_one_that_is_answered() -> None:
    """Slack compares the address of the manifest with the one that the install page names."""
    app = AppAtSlack("A", "1.2", "secret", f"{URL}/", "https://slack.com/api/")

    assert [app.redirect_url] == manifest("Playbooks", None, public_url=URL)["oauth_config"]["redirect_urls"]


@pytest.mark.parametrize("address", ["http://bot.example.com", "bot.example.com", f"{URL}?a=b"])
def test_a_way_back_that_slack_would_not_take(address: str) -> None:
    """Slack sends browsers back over HTTPS only."""
    with pytest.raises(ManifestRefused, match=r"should be like https://bot\.example\.com"):
        manifest("Playbooks", None, public_url=address)


def test_menus_are_asked_at_the_same_door() -> None:
    """Slack asks a menu's options at an address of its own, which over HTTP must be given."""
    made = manifest("Playbooks", URL)

    assert made["settings"]["interactivity"]["message_menu_options_url"] == f"{URL}/slack/events"
    assert "message_menu_options_url" not in manifest("Playbooks", None)["settings"]["interactivity"]


def test_links_to_executions_are_shown() -> None:
    """Those of AWS's console, in every Region; Slack allows five domains."""
    for url in (None, URL):
        assert manifest("Playbooks", url)["features"]["unfurl_domains"] == [CONSOLE]


def test_the_shortcut_is_within_slacks_limits() -> None:
    """Its names as Slack's manifest reference limits them, and a listener for it."""
    (shortcut,) = manifest("Playbooks", None)["features"]["shortcuts"]

    assert (len(shortcut["name"]) <= 24, len(shortcut["description"]) <= 150) == (True, True)
    assert shortcut["callback_id"] == CALLBACK


def test_socket_mode_needs_no_address() -> None:
    """Without an address there is none anywhere, and Socket Mode is on."""
    made = manifest("Playbooks", None)

    assert made["settings"]["socket_mode_enabled"]
    assert "_url" not in json.dumps(made)
    assert '"url"' not in json.dumps(made)
    assert made["settings"]["interactivity"] == {"is_enabled": True}


@pytest.mark.parametrize("url", [URL, f"{URL}/", f"{URL}/slack/events"])
def test_http_mode_names_one_door(url: str) -> None:
    """Commands, clicks and events go to the same address, however it was given."""
    made = manifest("Playbooks", url)
    (slash,) = made["features"]["slash_commands"]

    assert not made["settings"]["socket_mode_enabled"]
    assert slash["url"] == f"{URL}/slack/events"
    assert made["settings"]["interactivity"]["request_url"] == f"{URL}/slack/events"
    assert made["settings"]["event_subscriptions"]["request_url"] == f"{URL}/slack/events"


def test_names_are_escaped_and_the_hint_is_true() -> None:
    """Mentions come as ids, and the hint names verbs that exist."""
    (slash,) = manifest("Playbooks", None)["features"]["slash_commands"]

    assert slash["should_escape"]
    assert {part.split()[0] for part in slash["usage_hint"].split(" | ")} <= set(VERBS)


def test_slacks_limits_are_kept() -> None:
    """Lengths and letters as Slack's manifest reference gives them."""
    made = manifest("Ünser Bot für Störungen & mehr!", URL)
    shown, features = made["display_information"], made["features"]
    (slash,) = features["slash_commands"]

    assert len(shown["name"]) <= 35
    assert len(shown["description"]) <= 140
    assert 174 <= len(shown["long_description"]) <= 4000
    assert re.fullmatch(r"#[0-9a-f]{6}", shown["background_color"])
    assert re.fullmatch(r"[a-z0-9._-]{1,80}", features["bot_user"]["display_name"])
    assert (len(slash["command"]) <= 32, len(slash["usage_hint"]) <= 1000) == (True, True)


@pytest.mark.parametrize(
    ("name", "url", "sentence"),
    [
        ("", None, "cannot be the app's name"),
        ("x" * 36, None, "Slack allows 1 to 35 characters"),
        ("Bot", "http://bot.example.com", "should be like https://bot.example.com"),
        ("Bot", "bot.example.com", "should be like https://bot.example.com"),
        ("Bot", "https://[bot", "is not an address"),
        ("Bot", "https://bot.example.com/?a=b", "should be like"),
    ],
)
def test_what_slack_would_not_take_is_said_before(name: str, url: str | None, sentence: str) -> None:
    """A sentence here instead of an error on Slack's page."""
    with pytest.raises(ManifestRefused, match=re.escape(sentence)):
        manifest(name, url)


@pytest.mark.parametrize("arguments", [[], ["--url", URL], ["--name", "Night Watch"], ["--workspaces", URL]])
def test_the_command_prints_it_in_both_spellings(arguments: list[str]) -> None:
    """YAML to paste, JSON for programs: the same manifest."""
    as_yaml = CliRunner().invoke(command, arguments)
    as_json = CliRunner().invoke(command, [*arguments, "--json"])
    made: dict[str, Any] = yaml.safe_load(as_yaml.stdout)

    assert (as_yaml.exit_code, as_json.exit_code) == (0, 0)
    assert made == json.loads(as_json.stdout)
    assert made["oauth_config"]["scopes"]["bot"] == list(SCOPES)


def test_the_command_refuses_in_a_sentence() -> None:
    """No traceback, nothing on stdout, exit code 2."""
    refused = CliRunner().invoke(command, ["--url", "http://bot.example.com"])

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.strip() == (
        '"http://bot.example.com" cannot be the bot\'s address: it should be like https://bot.example.com'
    )
