"""Takes the README's pictures of a real card: `make screenshots` (needs npm, Chromium and a font with emoji).

Plays the demo's story before a headless browser: on the desktop the card asks, on the phone it tells the end.
"""

import sys
from pathlib import Path
from typing import Any, Final

from bot.demo import fleet
from bot.demo.world import World
from tests.scenarios.browser import PHONE, Screen, browser

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"
DESK: Final = {"width": 760, "height": 1200}
TALL_PHONE: Final = {**PHONE, "height": 1400}
MARGIN: Final = 12
RECOVERY_MS: Final = 120_000


def main(folder: Path) -> None:
    """Play the story and leave `card-desktop.png` and `card-phone.png` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    world = World()
    try:
        world.start()
        if not world.has_slack:
            sys.exit(world.why_no_slack)
        with browser() as chromium:
            _take(world, chromium, folder)
    finally:
        world.stop()


def _take(world: World, chromium: Any, folder: Path) -> None:
    approver = world.identity.approver.real_name
    desk = Screen(chromium, world.workspace.page, size=DESK)
    phone = Screen(chromium, world.workspace.page, size=TALL_PHONE, scale=1.5)
    for screen in (desk, phone):
        screen.act_as(approver)
        screen.show_only_the_channel()
    fleet.turn_red(world.aws.client, fleet.FIRST_RED)
    card, small = desk.card(fleet.FIRST_RED, "Stop"), phone.card(fleet.FIRST_RED, "Started by")
    desk.button(card, "Approve").wait_for()
    card.filter(has_text="up to").wait_for()
    _crop(desk, card, folder / "card-desktop.png")
    phone.button(small, "Approve").click()
    small.locator(".bk-section").filter(has_text="Success").first.wait_for(timeout=RECOVERY_MS)
    small.filter(has_text="by now").wait_for()
    _crop(phone, small, folder / "card-phone.png")


def _crop(screen: Screen, card: Any, file: Path) -> None:
    """The channel's head and the card, and nothing below it."""
    screen.page.mouse.move(0, 0)
    screen.page.wait_for_timeout(2000)
    head, place = screen.page.locator(".channel-header").bounding_box(), card.bounding_box()
    below = place["y"] + place["height"] + MARGIN
    clip = {"x": 0, "y": head["y"], "width": screen.page.viewport_size["width"], "height": below - head["y"]}
    screen.page.screenshot(path=file, clip=clip)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
