"""Installing the app in a workspace: the page that leads to Slack, and the way back (OAuth 2.0, Slack's v2).

A state is given to one browser, for ten minutes and for one use; it lies in the database, so that any process can
finish what another one began. Whom the settings do not name is refused, and the token given back.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode, urljoin

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.blocks import oauth_pages as pages
from bot.slack.client import NO_ANSWER, code_of, is_unsure, retry_after
from bot.slack.installations import AnswerUnsound, Installation, Permitted, installer, missing, read, told
from bot.slack.manifest import REDIRECT, SCOPES
from bot.slack.tokens import Tokens
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable

log = structlog.get_logger()

INSTALL: Final = "/slack/install"
LASTS: Final = timedelta(minutes=10)
COOKIE: Final = "__Host-playbook-bot-install"
"""The prefix has browsers take it from this very host only, over TLS."""
OUR_FAULT: Final = frozenset({"bad_client_secret", "bad_redirect_uri", "invalid_client_id", "invalid_client"})
"""Codes that the settings are the cause of."""

Answer = tuple[int, Mapping[str, str], bytes]


class NotInstalled(Exception):
    """The way ends here; `why` is one of the pages' reasons."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class AppAtSlack:
    """What Slack's pages call the app, and where browsers find the bot."""

    app_id: str
    client_id: str
    client_secret: str
    public_url: str
    api_url: str
    name: str = "playbook-bot"

    @property
    def redirect_url(self) -> str:
        """Where Slack sends browsers back to."""
        return f"{self.public_url.rstrip('/')}{REDIRECT}"

    def consent_url(self, state: str) -> str:
        """Where Slack asks whether the app may be installed."""
        asked = {
            "client_id": self.client_id,
            "scope": ",".join(SCOPES),
            "state": state,
            "redirect_uri": self.redirect_url,
        }
        return f"{urljoin(self.api_url, '../oauth/v2/authorize')}?{urlencode(asked)}"


class InstallPages:
    """Answers the two addresses. `client` has no token of its own."""

    def __init__(
        self, db: Database, tokens: Tokens, app: AppAtSlack, permitted: Permitted, client: WebClient, clock: Clock
    ) -> None:
        self._db, self._tokens, self._app, self._permitted = db, tokens, app, permitted
        self._client, self._clock = client, clock

    # -- there

    def install(self, _query: Mapping[str, str], _cookies: Mapping[str, str]) -> Answer:
        """The page with the link."""
        state, browser, now = secrets.token_urlsafe(32), secrets.token_urlsafe(32), self._clock()
        try:
            with self._db.transaction() as tx:
                is_kept = self._tokens.store.begin(tx, _hash(state), _hash(browser), now, now + LASTS)
        except DatabaseUnavailable:
            return self._refused("database")
        if not is_kept:
            return self._refused("busy")
        page = pages.install_page(self._app.name, self._app.consent_url(state))
        return 200, {**pages.HEADERS, "Set-Cookie": _cookie(browser, LASTS)}, page

    # -- and back

    def redirected(self, query: Mapping[str, str], cookies: Mapping[str, str]) -> Answer:
        """Slack has sent a browser back: finish what it began."""
        try:
            self._use_up(query, cookies)
            found = self._installed(query)
        except NotInstalled as error:
            log.warning("not installed", why=error.why)
            return self._refused(error.why)
        except DatabaseUnavailable as error:
            log.warning("not installed", why=str(error))
            return self._refused("database")
        log.info("installed", workspace=found.id, name=found.name, by=found.installed_by)
        page = pages.installed_page(found.name or found.id)
        return 200, {**pages.HEADERS, "Set-Cookie": _cookie("", timedelta(0))}, page

    def _use_up(self, query: Mapping[str, str], cookies: Mapping[str, str]) -> None:
        """A state counts once, and only in the browser that it was given to. Raises NotInstalled."""
        state, browser = query.get("state") or "", cookies.get(COOKIE) or ""
        if not state:
            raise NotInstalled("no_state")
        with self._db.transaction() as tx:
            why = self._tokens.store.finish(tx, _hash(state), _hash(browser), self._clock())
        if why:
            raise NotInstalled(why)

    def _installed(self, query: Mapping[str, str]) -> Installation:
        """Have the token for a code, look at whose it is, and keep it. Raises NotInstalled, DatabaseUnavailable."""
        if query.get("error"):
            raise NotInstalled("access_denied")
        code = query.get("code") or ""
        if not re.fullmatch(r"[\w.-]{1,255}", code, re.ASCII):
            raise NotInstalled("no_code")
        found = self._exchanged(code)
        self._judge(found)
        found = self._known(found)
        now = self._clock()
        with self._db.transaction() as tx:
            before = self._tokens.store.get(tx, found.id)
            how = "again" if before is not None else "first"
            self._tokens.store.save(tx, found, [told("installed", found, by=installer(found), how=how)], now)
        self._tokens.forget()
        return found

    def _exchanged(self, code: str) -> Installation:
        app = self._app
        try:
            answer = self._client.oauth_v2_access(
                client_id=app.client_id, client_secret=app.client_secret, code=code, redirect_uri=app.redirect_url
            )
            return read(answer.data if isinstance(answer.data, dict) else {}, self._clock())
        except SlackApiError as error:
            raise NotInstalled(_why(error)) from error
        except NO_ANSWER as error:
            raise NotInstalled("away") from error
        except AnswerUnsound as error:
            raise NotInstalled("unsound") from error

    def _judge(self, found: Installation) -> None:
        """Whether it may be. Raises NotInstalled; then its token is given back, and the trail has it."""
        lacking = missing(SCOPES, found.scopes)
        if found.app_id != self._app.app_id:
            self._refuse(found, "app", f"it is of app {found.app_id or 'unknown'}")
        if why := self._permitted.refusal(found):
            self._refuse(found, "foreign", why)
        if lacking:
            self._refuse(found, "scopes", f"scopes not granted: {', '.join(lacking)}")

    def _refuse(self, found: Installation, why: str, reason: str) -> None:
        # Slack may give a workspace the token again that it has: one that is in use is not given back.
        is_in_use = self._tokens.get(found.id) is not None
        outcome = "its token is kept, as it is in use" if is_in_use else self._given_back(found.token)
        with self._db.transaction() as tx:
            self._tokens.store.note(
                tx, [told("refused", found, by=installer(found), reason=reason, outcome=outcome)], self._clock()
            )
        log.warning("installation refused", workspace=found.id, name=found.name, reason=reason, outcome=outcome)
        raise NotInstalled(why)

    def _given_back(self, token: str) -> str:
        try:
            self._as(token).auth_revoke()
        except NO_ANSWER as error:
            log.exception("a refused token could not be revoked: uninstall the app there by hand", error=str(error))
            return "its token could not be given back"
        return "its token was given back"

    def _known(self, found: Installation) -> Installation:
        """With the id of its bot, as auth.test tells; so the token is seen to work. Raises NotInstalled."""
        try:
            answer: Any = self._as(found.token).auth_test()
        except NO_ANSWER as error:
            raise NotInstalled("away") from error
        bot_user = found.bot_user_id or str(answer.get("user_id") or "")
        return replace(found, bot_id=str(answer.get("bot_id") or ""), bot_user_id=bot_user)

    def _as(self, token: str) -> WebClient:
        return WebClient(token=token, base_url=self._client.base_url, timeout=self._client.timeout, retry_handlers=[])

    @staticmethod
    def _refused(why: str) -> Answer:
        return (
            pages.STATUS.get(why, 400),
            {**pages.HEADERS, "Set-Cookie": _cookie("", timedelta(0))},
            pages.refused_page(why),
        )


def _why(error: SlackApiError) -> str:
    code = code_of(error)
    if code in OUR_FAULT:
        log.error("Slack does not accept slack_client_id, slack_client_secret or slack_public_url", error=code)
        return "settings"
    return "away" if is_unsure(error) or retry_after(error) is not None else "code"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _cookie(value: str, lasts: timedelta) -> str:
    return f"{COOKIE}={value}; Max-Age={int(lasts.total_seconds())}; Path=/; Secure; HttpOnly; SameSite=Lax"
