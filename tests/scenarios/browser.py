"""A browser at the demo's Slack page, and hands to use it: what a person sees and presses, nothing behind it."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS: Final = (
    "--no-sandbox",  # it is root in most containers, and visits only a page of this machine
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK: Final[dict[str, int]] = {"width": 1280, "height": 900}
PHONE: Final[dict[str, int]] = {"width": 390, "height": 844}
ONLY_THE_CHANNEL: Final = ".sidebar, .topbar { display: none !important }"
"""On a phone Slack shows one thing at a time; the local page always shows its list of channels."""
REPLIES: Final = re.compile(r"^\d+ repl(y|ies)$")
PATIENCE_MS: Final = 30_000


class NoBrowser(Exception):
    """There is no browser to drive on this machine; the message says what is missing."""


@contextmanager
def browser() -> Iterator[Any]:
    """Headless Chromium. Raises NoBrowser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as missing:
        raise NoBrowser("The browser tests need playwright, which is not installed.") from missing
    program = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        raise NoBrowser("The browser tests need Chromium, which is not on this machine's PATH.")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(FLAGS), headless=True)
        yield opened
        opened.close()


class Screen:
    """One window onto the workspace's page; somebody sits before it."""

    def __init__(self, browser: Any, address: str, *, size: dict[str, int] | None = None, scale: float = 1) -> None:
        is_phone = size == PHONE
        self._context = browser.new_context(
            viewport=size or DESK, device_scale_factor=scale, has_touch=is_phone, timezone_id="Etc/UTC", locale="en-GB"
        )
        self.page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.goto(address)
        self._composer.wait_for()

    def close(self) -> None:
        """Leave."""
        self._context.close()

    def act_as(self, real_name: str) -> None:
        """Sit down as somebody else."""
        self.page.locator(".actas select").select_option(label=real_name)

    def show_only_the_channel(self) -> None:
        """Leave out what Slack's own app would not show beside a channel on a phone."""
        self.page.add_style_tag(content=ONLY_THE_CHANNEL)

    def type(self, text: str) -> None:
        """Write into the composer and send it."""
        self._composer.fill(text)
        self._composer.press("Enter")

    def card(self, *words: str) -> Any:
        """The last message of the channel that has all these words."""
        found = self.page.locator(".messages .msg")
        for each in words:
            found = found.filter(has_text=each)
        return found.last

    def button(self, card: Any, label: str) -> Any:
        """A button of a message, by what stands on it."""
        return card.get_by_role("button", name=label, exact=True)

    @property
    def form(self) -> Any:
        """The form that is open."""
        return self.page.locator(".modal")

    @property
    def head(self) -> Any:
        """The channel's name, above its messages."""
        return self.page.locator(".channel-header")

    def thread(self, card: Any) -> Any:
        """Open a message's thread beside it."""
        card.get_by_text(REPLIES).last.click()
        pane = self.page.locator(".thread-pane")
        pane.wait_for()
        return pane

    def close_thread(self) -> None:
        """Look at the channel again."""
        self.page.locator(".thread-head button").click()

    def home(self) -> Any:
        """Go to the bot's App Home."""
        self.page.locator(".sidebar-item").filter(has_text="playbook").dispatch_event("click")
        shown = self.page.locator(".home-inner")
        shown.wait_for()
        return shown

    def channel(self) -> None:
        """Go back to the channel."""
        self.page.locator(".sidebar-item").filter(has_text="incidents").dispatch_event("click")
        self._composer.wait_for()

    def wait_for(self, card: Any, words: str) -> str:
        """Wait until a message says `words`; returns all that it says."""
        card.filter(has_text=words).wait_for()
        return str(card.inner_text())

    @property
    def _composer(self) -> Any:
        return self.page.locator("textarea.composer-input").first
