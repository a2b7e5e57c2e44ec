"""The pages of an installation: every way it may end, with its sentence, its status, and what browsers keep."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bot.slack import installation_store
from bot.slack.blocks import oauth_pages as pages
from bot.slack.manifest import REDIRECT, SCOPES
from bot.slack.oauth import COOKIE, INSTALL
from bot.web import Doors, build_web
from infra.clock import utc_now
from infra.db import Database, DatabaseUnavailable
from tests.bot.slack.rig import library
from tests.fakes.clock import ManualClock
from tests.fakes.slack_grid import SlackGrid, Team, slack_grid
from tests.scenarios.several import Bot

ONE, OTHER = "T0ONE", "T0OTHER"
Ended = tuple[int, Mapping[str, str], bytes]
ALL_STATUSES = {"busy": 503, "away": 502, "settings": 502, "unsound": 502, "database": 503, "foreign": 403}


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock(utc_now())


@pytest.fixture
def slack(clock: ManualClock) -> Iterator[SlackGrid]:
    """A workspace that the settings name, and one that they do not."""
    with slack_grid(clock) as grid:
        grid.teams |= {ONE: Team(ONE, "<b>Home</b> & co", set()), OTHER: Team(OTHER, "Other", set())}
        yield grid


@pytest.fixture
def bot(slack: SlackGrid, clock: ManualClock, database: Database, tmp_path: Path) -> Iterator[Bot]:
    """Installed nowhere yet."""
    url = database.url.render_as_string(hide_password=False)
    made = Bot(slack, url, library(tmp_path), clock, (ONE,))
    yield made
    made.close()


class NoDatabase:
    """One that does not answer."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Nothing is begun."""
        raise DatabaseUnavailable
        yield


class Ready:
    """What the other pages ask for."""

    def problems(self) -> list[str]:
        """None."""
        return []


class Way:
    """One installation, up to where it goes wrong."""

    def __init__(self, bot: Bot, slack: SlackGrid, clock: ManualClock, patch: pytest.MonkeyPatch) -> None:
        self.bot, self.slack, self.clock, self.patch = bot, slack, clock, patch

    def end(self, team: str = ONE, *, change: Mapping[str, str | None] | None = None, **consent: Any) -> Ended:
        """Begin, consent, and come back with these changes to what Slack sends along."""
        address, cookies = self.bot.browse()
        return self.back(self.slack.consent(address, team, **consent), cookies, change or {})

    def back(self, query: Mapping[str, str], cookies: Mapping[str, str], change: Mapping[str, str | None]) -> Ended:
        """The answer in full."""
        asked = {name: value for name, value in {**query, **change}.items() if value is not None}
        return self.bot.several.pages.redirected(asked, cookies)

    def used(self) -> Ended:
        """The same address twice."""
        address, cookies = self.bot.browse()
        query = self.slack.consent(address, ONE)
        self.back(query, cookies, {})
        return self.back(query, cookies, {})

    def late(self) -> Ended:
        """Consent takes eleven minutes."""
        address, cookies = self.bot.browse()
        self.clock.advance(timedelta(minutes=11))
        return self.back(self.slack.consent(address, ONE), cookies, {})

    def browser(self) -> Ended:
        """Somebody else opens the address that Slack sent back to."""
        address, _ = self.bot.browse()
        _, cookies = self.bot.browse()
        return self.back(self.slack.consent(address, ONE), cookies, {})

    def busy(self) -> Ended:
        """One more than are kept."""
        self.patch.setattr(installation_store, "MOST_BEGUN", 1)
        self.bot.browse()
        return self.bot.several.pages.install({}, {})

    def settings(self) -> Ended:
        """Slack knows another client secret."""
        self.slack.client_secret = "another"
        return self.end()

    def away(self) -> Ended:
        """Slack's answer gets lost."""
        self.slack.lose.add("oauth.v2.access")
        return self.end()

    def database(self) -> Ended:
        """Between the consent and the way back the database goes away."""
        address, cookies = self.bot.browse()
        self.patch.setattr(self.bot.several.pages, "_db", NoDatabase())
        return self.back(self.slack.consent(address, ONE), cookies, {})

    def unsound(self) -> Ended:
        """Slack gives a token that is not the bot's."""
        self.patch.setattr(self.slack, "_made", lambda _: {"ok": True, "token_type": "user", "access_token": "xoxp-1"})
        return self.end()


WAYS: Mapping[str, Callable[[Way], Ended]] = {
    "access_denied": lambda way: way.end(change={"code": None, "error": "access_denied"}),
    "no_state": lambda way: way.end(change={"state": None}),
    "no_code": lambda way: way.end(change={"code": "a code\n"}),
    "unknown": lambda way: way.end(change={"state": "forged"}),
    "used": Way.used,
    "late": Way.late,
    "browser": Way.browser,
    "busy": Way.busy,
    "code": lambda way: way.end(change={"code": "code-of-nobody"}),
    "settings": Way.settings,
    "away": Way.away,
    "database": Way.database,
    "unsound": Way.unsound,
    "app": lambda way: way.end(app_id="A0OTHER"),
    "foreign": lambda way: way.end(OTHER),
    "scopes": lambda way: way.end(scopes=SCOPES[1:]),
}


@pytest.mark.parametrize("why", sorted(pages.SENTENCES.keys() | WAYS.keys()))
def test_every_way_an_installation_may_end(
    bot: Bot, slack: SlackGrid, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """Its own sentence and status, the browser's cookie is taken back; what is there afterwards is what was before."""
    status, headers, body = WAYS[why](Way(bot, slack, clock, monkeypatch))

    assert pages.SENTENCES[why] in unescape(body.decode())
    assert status == ALL_STATUSES.get(why, 400)
    assert {name: headers[name] for name in pages.HEADERS} == pages.HEADERS
    assert SimpleCookie(headers["Set-Cookie"])[COOKIE]["max-age"] == "0"
    assert len(bot.several.tokens.live()) == (1 if why == "used" else 0)


def test_a_cancelled_installation_is_over(bot: Bot, slack: SlackGrid, clock: ManualClock) -> None:
    """Its state is used up: whoever saw the address cannot go on with a code of their own."""
    address, cookies = bot.browse()
    query = slack.consent(address, ONE)
    denied = bot.come_back({"error": "access_denied", "state": query["state"]}, cookies)

    assert denied[0] == 400
    assert "used before" in bot.come_back(query, cookies)[1]


def test_the_page_without_a_database(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be begun, and a sentence says so."""
    monkeypatch.setattr(bot.several.pages, "_db", NoDatabase())
    status, _, body = bot.several.pages.install({}, {})

    assert (status, pages.SENTENCES["database"] in unescape(body.decode())) == (503, True)


def test_what_the_browser_keeps(bot: Bot) -> None:
    """A cookie of this host alone, hidden from scripts, over TLS, for ten minutes; it never repeats."""
    (one, two) = (bot.several.pages.install({}, {}) for _ in range(2))
    cookie = SimpleCookie(one[1]["Set-Cookie"])[COOKIE]
    states = {re.findall(r"state=([\w-]+)", unescape(page[2].decode()))[0] for page in (one, two)}

    assert cookie.key.startswith("__Host-")
    assert (cookie["path"], cookie["domain"], cookie["max-age"]) == ("/", "", "600")
    assert (bool(cookie["secure"]), bool(cookie["httponly"]), cookie["samesite"]) == (True, True, "Lax")
    assert len(states) == 2
    assert one[1]["Set-Cookie"] != two[1]["Set-Cookie"]
    assert cookie.value not in one[2].decode()


def test_neither_state_nor_browser_is_in_the_database(bot: Bot, slack: SlackGrid) -> None:
    """Whoever reads the rows cannot finish what somebody else has begun."""
    address, cookies = bot.browse()
    state = slack.consent(address, ONE)["state"]
    with bot.service.db.reading() as connection:
        rows = str(connection.execute(installation_store.begun_table.select()).all())

    assert hashlib.sha256(state.encode()).hexdigest() in rows
    assert state not in rows
    assert cookies[COOKIE] not in rows


def test_names_are_letters(bot: Bot) -> None:
    """A workspace's name comes from whoever made the workspace: it is shown, and never read as HTML."""
    status, _, body = WAYS_OUT["installed"](bot)

    assert status == 200
    assert "<b>Home" not in body.decode()
    assert "&lt;b&gt;Home&lt;/b&gt; &amp; co" in body.decode()
    page = pages.install_page('"><script>x</script>', 'https://slack.com/?a="b&c').decode()
    assert "<script" not in page
    assert 'href="https://slack.com/?a=&quot;b&amp;c"' in page


def _installed(bot: Bot) -> Ended:
    address, cookies = bot.browse()
    return bot.several.pages.redirected(bot.slack.consent(address, ONE), cookies)


WAYS_OUT: Mapping[str, Callable[[Bot], Ended]] = {
    "begun": lambda bot: bot.several.pages.install({}, {}),
    "installed": _installed,
    "refused": lambda bot: bot.several.pages.redirected({}, {}),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_pages_load_nothing_and_are_kept_nowhere(bot: Bot, way: str) -> None:
    """No script, no frame around them, one style that is named by its hash; no cache, no referrer with a code."""
    _, headers, body = WAYS_OUT[way](bot)
    (style,) = re.findall(r"<style>(.*?)</style>", body.decode())
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<script|\son\w+=|style=|<form|<img", body.decode())


def test_a_browser_goes_all_the_way(bot: Bot, slack: SlackGrid) -> None:
    """Over HTTP: the cookie of the first page comes along to the second, and there is no other method than GET."""
    handlers = {INSTALL: bot.several.pages.install, REDIRECT: bot.several.pages.redirected}
    client = build_web(Doors(pages=handlers), Ready(), CollectorRegistry()).test_client()
    base = "https://bot.example.com"
    begun = client.get(INSTALL, base_url=base)
    (address,) = re.findall(r'href="([^"]+)"', begun.text)
    ended = client.get(REDIRECT, query_string=slack.consent(unescape(address), ONE), base_url=base)

    assert (begun.status_code, ended.status_code) == (200, 200)
    assert ended.headers["Content-Security-Policy"] == pages.HEADERS["Content-Security-Policy"]
    assert client.get_cookie(COOKIE, domain="bot.example.com") is None
    assert client.post(REDIRECT, base_url=base).status_code == 405
