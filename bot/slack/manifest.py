"""The Slack app manifest: name, command, scopes and events in one place. Pure."""

from typing import Any, Final

SCOPES: Final = (
    "app_mentions:read",
    "channels:read",
    "chat:write",
    "commands",
    "groups:read",
    "usergroups:read",
    "users:read",
)
"""Exactly what the bot calls; nothing reads messages."""
EVENTS: Final = ("app_home_opened", "app_mention", "subteam_members_changed", "subteam_updated", "user_change")


def manifest(name: str, url: str | None, *, command: str = "/playbook") -> dict[str, Any]:
    """The manifest for a workspace; with `url` for signed HTTP, without it for Socket Mode."""
    address = f"{url.rstrip('/')}/slack/events" if url else None
    slash: dict[str, Any] = {
        "command": command,
        "description": "Run, watch and approve incident runbooks",
        "usage_hint": "help | list | run NAME | status | approvals | stop ID | audit ID",
        "should_escape": True,
    }
    events: dict[str, Any] = {"bot_events": list(EVENTS)}
    interactivity: dict[str, Any] = {"is_enabled": True}
    if address:
        slash["url"] = events["request_url"] = interactivity["request_url"] = address
    return {
        "display_information": {
            "name": name[:35],
            "description": "From a red alarm to an approved, finished, audited runbook",
            "background_color": "#1a1d29",
        },
        "features": {
            "app_home": {"home_tab_enabled": True, "messages_tab_enabled": False},
            "bot_user": {"display_name": name[:80].lower().replace(" ", "-"), "always_online": True},
            "slash_commands": [slash],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": events,
            "interactivity": interactivity,
            "org_deploy_enabled": False,
            "socket_mode_enabled": address is None,
            "token_rotation_enabled": False,
        },
    }
