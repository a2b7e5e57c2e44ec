"""A person at a browser: types a command, fills in a form, presses buttons as somebody else, reads the card."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.demo import fleet
from bot.demo.environment import cache_folder
from bot.demo.local_slack import WorkspaceUnavailable, program
from bot.demo.window import Window
from bot.demo.world import World
from tests.scenarios.browser import PHONE, NoBrowser, Screen, browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
RECOVERY_MS = 90_000
QUICK = {"stopping": 0.6, "pending": 0.6, "initializing": 0.2}
REFUSAL = "You are not among the people who may decide this"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser, or a skip that says why there is none."""
    try:
        program(cache_folder())
        with browser() as opened:
            yield opened
    except (NoBrowser, WorkspaceUnavailable) as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def world(chromium: Any) -> Iterator[World]:
    """A demo that runs."""
    made = World(pace=QUICK)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def desk(chromium: Any, world: World) -> Iterator[Screen]:
    """A desktop screen; at first the requester sits before it."""
    screen = Screen(chromium, world.workspace.page)
    yield screen
    screen.close()


@pytest.fixture
def phone(chromium: Any, world: World) -> Iterator[Screen]:
    """The approver's phone."""
    screen = Screen(chromium, world.workspace.page, size=PHONE, scale=2)
    screen.act_as(world.identity.approver.real_name)
    screen.show_only_the_channel()
    yield screen
    screen.close()


def _keep(screen: Screen, name: str) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    screen.page.wait_for_timeout(200)
    screen.page.screenshot(path=ARTEFACTS / f"{name}.png")


def _told_privately(world: World, words: str) -> list[str]:
    """Who was told so in private: the local page shows everybody what Slack shows only to them."""
    window = Window(world.workspace.page)
    try:
        found = [one for one in window.messages(world.identity.channel) if words in str(one.get("text"))]
        return [str(one.get("ephemeral_to")) for one in found if "thread_ts" not in one]
    finally:
        window.close()


def test_from_red_alarm_to_success_on_desk_and_phone(world: World, desk: Screen, phone: Screen) -> None:
    """The card asks; an outsider is refused privately; the approver taps on the phone; the card tells the success."""
    outsider = Screen(phone.page.context.browser, world.workspace.page)
    outsider.act_as(world.identity.outsider.real_name)
    fleet.turn_red(world.aws.client, fleet.FIRST_RED)
    card, small = desk.card(fleet.FIRST_RED), phone.card(fleet.FIRST_RED)
    desk.button(card, "Approve").wait_for()
    asked = card.inner_text()
    _keep(desk, "desk-1-question")

    outsider.button(outsider.card(fleet.FIRST_RED), "Approve").click()
    refused = outsider.wait_for(outsider.card(REFUSAL), REFUSAL)
    _keep(outsider, "desk-2-refused")
    told_to = _told_privately(world, REFUSAL)
    still_asks = desk.button(card, "Approve").count()

    phone.button(small, "Approve").scroll_into_view_if_needed()
    _keep(phone, "phone-1-question")
    width = phone.page.evaluate("document.documentElement.scrollWidth")
    places = [phone.button(small, label).bounding_box() for label in ("Approve", "Reject", "Stop")]
    phone.button(small, "Approve").tap()
    phone.wait_for(small, f"Approved by {world.identity.approver.real_name}")
    _keep(phone, "phone-2-approved")
    card.locator(".bk-section").filter(has_text="Success").first.wait_for(timeout=RECOVERY_MS)
    told = card.inner_text()
    _keep(desk, "desk-3-success")
    _keep(phone, "phone-3-success")

    assert "Waiting for approval" in asked
    assert "Nothing has been changed yet" in asked
    assert "only visible to you" in refused
    assert (told_to, still_asks) == ([world.identity.outsider.id], 1)
    assert width <= PHONE["width"]
    assert all(place and place["x"] >= 0 and place["x"] + place["width"] <= PHONE["width"] for place in places)
    assert f"Approved by {world.identity.approver.real_name}" in told
    assert [desk.button(card, label).count() for label in ("Approve", "Reject", "Stop")] == [0, 0, 0]
    assert [sign for sign in ("<!date", "&gt;", ":white_check_mark:", ":x:") if sign in told] == []
    outsider.close()


def test_a_command_opens_a_form_and_a_rejection_ends_the_run(world: World, desk: Screen, phone: Screen) -> None:
    """Typos get a suggestion; the form refuses a wrong id beside its field; a rejection is told with its reason."""
    assert world.fleet is not None
    instance, approver = world.fleet.instances["batch-1"], world.identity.approver.real_name
    desk.type("/playbook lst")
    suggested = desk.wait_for(desk.card("lst"), "/playbook list")
    desk.type("/playbook run reboot-instance")
    field = desk.form.locator("input.bk-plain-input").first
    field.fill("not an instance")
    desk.form.get_by_role("button", name="Start", exact=True).click()
    refused = desk.form.locator(".modal-error").first.inner_text()
    _keep(desk, "desk-4-form")
    field.fill(instance)
    desk.form.get_by_role("button", name="Start", exact=True).click()
    desk.form.wait_for(state="detached")
    card, small = desk.card("Reboot", instance, "Approve"), phone.card("Reboot", instance, "May decide")

    phone.button(small, "Reject").tap()
    phone.form.locator("textarea, input.bk-plain-input").first.fill("It is the wrong one")
    _keep(phone, "phone-4-reason")
    phone.form.get_by_role("button", name="Reject", exact=True).tap()

    card = desk.card("Reboot", instance, f"Rejected by {approver}")
    told = desk.wait_for(card, "It is the wrong one")
    desk.card("Reboot", instance, "Failed").wait_for()
    _keep(desk, "desk-5-rejected")
    assert "Did you mean" in suggested
    assert "InstanceId" in refused
    assert "Failed" in desk.card("Reboot", instance).inner_text()
    assert desk.button(card, "Approve").count() == 0
    assert f"Rejected by {approver}" in told
