"""The Slack app manifest: name, command, scopes and events in one place. Pure.

Limits are those of Slack's manifest reference (https://docs.slack.dev/reference/app-manifest).
"""

import re
from typing import Any, Final
from urllib.parse import urlsplit

DOOR: Final = "/slack/events"
"""Where the bot takes what Slack sends in HTTP mode: commands, clicks and events alike."""
LONGEST_NAME: Final = 35
LONGEST_BOT_NAME: Final = 80
LONG_DESCRIPTION: Final = (
    "A CloudWatch alarm or a person starts a playbook; the people it names approve with a button; the bot runs the AWS "
    "Systems Manager runbook step by step, keeps one card per execution up to date, and records every alarm, decision, "
    "step and AWS call in a hash chain that can be verified and exported."
)

SCOPES: Final = (
    "app_mentions:read",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:read",
    "links:read",
    "links:write",
    "usergroups:read",
    "users:read",
)
"""Exactly what the bot calls; nothing reads messages."""
OPTIONAL_SCOPES: Final = ("channels:history", "groups:history", "users.profile:read", "users:read.email")
"""With the histories the bot finds out whether a message that got no answer from Slack was posted all the same. Slack
grants them for whole channels, so they are not asked for; without them such a message may stand twice. The others join
people to their Slack users, as the settings slack_profile_field and slack_join_by_email say."""
EVENTS: Final = (
    "app_home_opened",
    "app_mention",
    "link_shared",
    "subteam_members_changed",
    "subteam_updated",
    "user_change",
)
OF_SEVERAL: Final = ("app_uninstalled", "team_access_granted", "team_access_revoked", "tokens_revoked")
"""With several workspaces: what becomes of an installation."""
REDIRECT: Final = "/slack/oauth_redirect"
"""Where Slack sends browsers back to that have installed the app."""
CONSOLE: Final = "console.aws.amazon.com"
"""Where links to executions lead that AWS runs; those of every Region are below it."""
SHORTCUT: Final = {
    "name": "Run a playbook on this",
    "type": "message",
    "callback_id": "run_on_this",
    "description": "Start a playbook with the instances that this message names",
}


class ManifestRefused(ValueError):
    """Slack would not take a manifest made of this."""


def manifest(
    name: str, url: str | None, *, command: str = "/playbook", public_url: str | None = None
) -> dict[str, Any]:
    """The manifest for a workspace; with `url` for signed HTTP, without it for Socket Mode.

    With `public_url`, where browsers reach the bot, it is for several workspaces and organisations: installed by OAuth.
    Raises ManifestRefused.
    """
    if not 0 < len(name.strip()) <= LONGEST_NAME:
        raise ManifestRefused(f'"{name}" cannot be the app\'s name: Slack allows 1 to {LONGEST_NAME} characters')
    address = _address(url, DOOR) if url else None
    back = _address(public_url, REDIRECT) if public_url else None
    slash: dict[str, Any] = {
        "command": command,
        "description": "Run, watch and approve incident runbooks",
        "usage_hint": "help | list | run NAME | status | approvals | stop ID | timeline ID | why NAME | whoami",
        "should_escape": True,
    }
    events: dict[str, Any] = {"bot_events": sorted((*EVENTS, *(OF_SEVERAL if back else ())))}
    interactivity: dict[str, Any] = {"is_enabled": True}
    if address:
        slash["url"] = events["request_url"] = interactivity["request_url"] = address
        interactivity["message_menu_options_url"] = address
    return {
        "display_information": {
            "name": name.strip(),
            "description": "From a red alarm to an approved, finished, audited runbook",
            "long_description": LONG_DESCRIPTION,
            "background_color": "#1a1d29",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": True,
            },
            "bot_user": {"display_name": _bot_name(name), "always_online": True},
            "shortcuts": [dict(SHORTCUT)],
            "slash_commands": [slash],
            "unfurl_domains": [CONSOLE],
        },
        "oauth_config": {**({"redirect_urls": [back]} if back else {}), "scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": events,
            "interactivity": interactivity,
            "org_deploy_enabled": back is not None,
            "socket_mode_enabled": address is None,
            "token_rotation_enabled": back is not None,
        },
    }


def _address(url: str, path: str) -> str:
    """The address of one of the bot's doors. Raises ManifestRefused: Slack only sends over HTTPS."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ManifestRefused(f'"{url}" is not an address: {error}') from error
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise ManifestRefused(f'"{url}" cannot be the bot\'s address: it should be like https://bot.example.com')
    return f"{url.removesuffix(path).rstrip('/')}{path}"


def _bot_name(name: str) -> str:
    """The name by which people mention the bot: lower-case letters, digits, hyphens, dots and underscores."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-")[:LONGEST_BOT_NAME] or "playbook-bot"
