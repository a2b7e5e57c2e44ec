"""The pages of an installation: plain HTML without scripts, each with one sentence that says how things stand. Pure."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Final

STYLE: Final = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:3rem auto;padding:0 1rem;"
    "color:#1d1c1d;background:#fff}"
    "a.button{display:inline-block;padding:.7rem 1.2rem;border:2px solid #4a154b;border-radius:.3rem;color:#4a154b;"
    "font-weight:700;text-decoration:none}a.button:focus{outline:3px solid #1264a3;outline-offset:2px}"
)
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final[Mapping[str, str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

AGAIN: Final = "Please begin anew at the install page."
SENTENCES: Final[Mapping[str, str]] = {
    "access_denied": "The installation was cancelled in Slack, so nothing was installed.",
    "no_state": f"This address is only for the way back from Slack. {AGAIN}",
    "no_code": f"Slack sent no code along, so nothing was installed. {AGAIN}",
    "unknown": f"This installation was not begun here, so nothing was installed. {AGAIN}",
    "used": f"This link was used before; nothing was installed by it now. {AGAIN}",
    "late": f"This installation was begun more than ten minutes ago, so nothing was installed. {AGAIN}",
    "browser": f"This installation was begun in another browser, so nothing was installed. {AGAIN}",
    "busy": "Too many installations have been begun just now. Please try again in ten minutes.",
    "code": f"Slack does not know this code, or not for this app, so nothing was installed. {AGAIN}",
    "settings": "Slack does not accept this app's credentials. Whoever runs the bot finds the reason in its log.",
    "away": f"Slack does not answer now, so nothing was installed. {AGAIN}",
    "database": "The bot's database does not answer now, so nothing was installed. Please try again in a moment.",
    "unsound": f"Slack's answer could not be understood, so nothing was installed. {AGAIN}",
    "app": "This is the installation of another app, so it was refused.",
    "foreign": (
        "This bot may not be installed there: its settings do not name that workspace, so nothing was installed. Ask "
        "whoever runs the bot."
    ),
    "scopes": (
        "Slack did not grant all that the bot needs, so nothing was installed. The bot's log says what is missing."
    ),
}
"""Why nothing was installed -> what to say."""
STATUS: Final[Mapping[str, int]] = {
    "busy": 503,
    "away": 502,
    "settings": 502,
    "unsound": 502,
    "database": 503,
    "foreign": 403,
}
"""Where it is not 400."""


def install_page(name: str, address: str) -> bytes:
    """Where an installation begins."""
    text = (
        f"<p>This adds {escape(name)} to a Slack workspace, or to a whole organisation. Only those that the bot's "
        "settings name can be added.</p>"
        f'<p><a class="button" href="{escape(address)}">Add to Slack</a></p>'
        "<p>The link works for ten minutes, once, and in this browser.</p>"
    )
    return _page(f"Add {escape(name)} to Slack", text)


def installed_page(workspace: str) -> bytes:
    """Where it ends well."""
    text = "<p>In each channel for its cards, say <code>/invite</code> and the bot's name. You may close this page.</p>"
    return _page(f"Installed in {escape(workspace)}", text)


def refused_page(why: str) -> bytes:
    """Where it ends otherwise; `why` is one of SENTENCES."""
    return _page("Not installed", f"<p>{escape(SENTENCES[why])}</p>")


def _page(title: str, content: str) -> bytes:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>{content}</main></body></html>\n"
    ).encode()
