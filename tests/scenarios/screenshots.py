"""Takes the documents' pictures of the bot at work: `make screenshots` (needs npm, Chromium and a font with emoji).

Plays a night in the demo's world before headless browsers, one at a desk and one as wide as a phone; whoever is shown
something there sees the bot itself, not a drawing of it.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from PIL import Image

from bot.demo import fleet
from bot.demo.world import World
from bot.slack.store import DECISIONS, DIGEST, SlackStore
from playbooks.catalog import FILE, LIBRARY
from tests.scenarios.browser import PHONE, Screen, browser

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"
DESK: Final = {"width": 760, "height": 1200}
TALL_PHONE: Final = {**PHONE, "height": 1400}
HIGH_CPU: Final = "web-3-cpu-high"
MARGIN: Final = 12
COLOURS: Final = 256
RECOVERY_MS: Final = 120_000
QUIET_MS: Final = 1500
"""Nothing moves any more after so long."""
ROOM: Final = """
  .home-inner { padding: 12px }
  .home-inner .bk-unknown { font-size: 0; border: 1px solid #bbb; border-radius: 4px; padding: 8px }
  .home-inner .bk-unknown::before { content: "Name, title or alarm; then Enter"; font-size: 15px; color: #777 }
"""
"""The page cannot draw a field outside a form, as Slack does: the App Home's search."""
GLASS: Final = "overrides: library\nbreak_glass: [lee]\n"


@dataclass(frozen=True)
class Stage:
    """The world, and those who look at it."""

    world: World
    desk: Screen
    phone: Screen
    outsider: Screen
    folder: Path

    def keep(self, name: str, screen: Screen, *shown: Any) -> None:
        """Keep what is shown: from the first of these parts of the page to the last one."""
        screen.page.mouse.move(0, 0)
        screen.page.wait_for_timeout(QUIET_MS)
        boxes = [each.bounding_box() for each in shown]
        left, top = min(each["x"] for each in boxes), min(each["y"] for each in boxes)
        right, below = (max(each[at] + each[size] for each in boxes) for at, size in (("x", "width"), ("y", "height")))
        file = self.folder / f"{name}.png"
        clip = {"x": left, "y": top, "width": right - left, "height": below - top + MARGIN}
        screen.page.screenshot(path=file, clip=clip)
        Image.open(file).convert("RGB").quantize(COLOURS).save(file, optimize=True)


def main(folder: Path) -> None:
    """Play the night and leave the pictures in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as playbooks:
        home = Path(playbooks) / "recover-instance"
        home.mkdir()
        (home / FILE).write_text((LIBRARY / home.name / FILE).read_text(encoding="utf-8") + GLASS, encoding="utf-8")
        world = World(playbooks=(Path(playbooks),))
        try:
            world.start()
            if not world.has_slack:
                sys.exit(world.why_no_slack)
            with browser() as chromium:
                _play(world, chromium, folder)
        finally:
            world.stop()


def _play(world: World, chromium: Any, folder: Path) -> None:
    desk = Screen(chromium, world.workspace.page, size=DESK)
    phone = Screen(chromium, world.workspace.page, size=TALL_PHONE, scale=1.5)
    outsider = Screen(chromium, world.workspace.page, size=DESK)
    phone.act_as(world.identity.approver.real_name)
    outsider.act_as(world.identity.outsider.real_name)
    for screen in (desk, phone, outsider):
        screen.show_only_the_channel()
    stage = Stage(world, desk, phone, outsider, folder)
    for scene in SCENES:
        scene(stage)


def _form(stage: Stage) -> None:
    """Lee types a name where an id is wanted."""
    for name, screen in (("form-desktop", stage.desk), ("form-phone", stage.phone)):
        screen.type("/playbook run restart-instance")
        screen.form.locator("input.bk-plain-input").first.fill("web-1")
        screen.form.locator("select").first.select_option(index=1)
        screen.form.get_by_role("button", name="Start", exact=True).click()
        screen.form.locator(".modal-error").first.wait_for()
        stage.keep(name, screen, screen.form)
        screen.form.get_by_role("button", name="Not now", exact=True).click()


def _alarm(stage: Stage) -> None:
    """An alarm that people answer, with its picture in the thread."""
    fleet.turn_red(stage.world.aws.client, HIGH_CPU)
    card = stage.phone.card(HIGH_CPU, "Acknowledge", "1 reply")
    card.filter(has_text="running").wait_for()
    stage.keep("alarm-phone", stage.phone, card)
    pane = stage.desk.thread(stage.desk.card(HIGH_CPU))
    stage.keep("alarm-picture", stage.desk, pane.locator(".thread-head"), pane.locator(".msg").last)
    stage.desk.close_thread()
    stage.desk.button(stage.desk.card(HIGH_CPU, "Acknowledge"), "Preview").click()
    stage.desk.form.get_by_text("Nothing was changed").wait_for()
    stage.keep("preview", stage.desk, stage.desk.form)
    stage.desk.form.get_by_role("button", name="Back", exact=True).click()


def _steps(stage: Stage) -> None:
    """Sam starts something step by step on the phone."""
    phone, fleet_ = stage.phone, stage.world.fleet
    assert fleet_ is not None
    phone.type("/playbook run start-instance --step")
    phone.form.locator("input.bk-plain-input").first.fill(fleet_.instances["batch-1"])
    phone.form.get_by_role("button", name="Start", exact=True).click()
    card = phone.card("Start an instance", "Run the rest")
    card.wait_for()
    stage.keep("step-by-step", phone, card)


def _busy(stage: Stage) -> None:
    """Lee wants what the recovery works on."""
    desk, fleet_ = stage.desk, stage.world.fleet
    assert fleet_ is not None
    desk.type("/playbook run restart-instance")
    desk.form.locator("input.bk-plain-input").first.fill(fleet_.instances["web-1"])
    desk.form.get_by_role("button", name="Start", exact=True).click()
    desk.form.get_by_text("Take over", exact=True).wait_for()
    stage.keep("busy", desk, desk.form)
    desk.form.locator(".modal-x").click()


def _question(stage: Stage) -> None:
    """A card that asks; what somebody reads who may not answer; and the form of an emergency."""
    fleet.turn_red(stage.world.aws.client, fleet.FIRST_RED)
    for name, screen in (("card-desktop", stage.desk), ("card-phone-asking", stage.phone)):
        card = screen.card(fleet.FIRST_RED, "Approve", "of shop", "up to")
        card.wait_for()
        stage.keep(name, screen, card)
    outsider = stage.outsider
    outsider.button(outsider.card(fleet.FIRST_RED), "Approve").click()
    refusal = outsider.card("only visible to you")
    refusal.wait_for()
    stage.keep("refused", outsider, refusal)
    outsider.close()
    stage.desk.button(stage.desk.card(fleet.FIRST_RED), "Break glass …").click()
    stage.desk.form.wait_for()
    stage.keep("break-glass", stage.desk, stage.desk.form)
    stage.desk.form.get_by_role("button", name="Back", exact=True).click()


def _home(stage: Stage) -> None:
    """Sam opens the App Home on the phone while the question waits."""
    home = stage.phone.home()
    home.page.add_style_tag(content=ROOM)
    stage.keep("home-phone", stage.phone, home)
    stage.phone.channel()


def _end(stage: Stage) -> None:
    """Sam approves on the phone; the card tells the success."""
    phone = stage.phone
    card = phone.card(fleet.FIRST_RED, "Started by")
    phone.button(card, "Approve").click()
    card.locator(".bk-section").filter(has_text="Success").first.wait_for(timeout=RECOVERY_MS)
    card.filter(has_text="by now").wait_for()
    stage.keep("card-phone", phone, card)


def _story(stage: Stage) -> None:
    """The story in the thread, with its export."""
    desk, card = stage.desk, stage.desk.card(fleet.FIRST_RED, "Started by")
    run = card.locator("code").last.inner_text()
    desk.type(f"/playbook timeline {run}")
    pane = desk.thread(card)
    pane.get_by_role("button", name="Export Markdown and JSON").click()
    pane.get_by_text("JSON, with the hashes").wait_for()
    stage.keep("story", desk, pane)
    desk.close_thread()


def _morning(stage: Stage) -> None:
    """The digest, as it would come in the morning."""
    with stage.world.service() as service, service.db.transaction() as tx:
        now, channel = datetime.now(UTC), stage.world.identity.channel
        SlackStore().want(
            tx, "digest:picture", kind=DIGEST, subject=now.isoformat(), channel=channel, now=now, lane=DECISIONS
        )
    card = stage.desk.card("The last day")
    card.wait_for()
    stage.keep("digest", stage.desk, card)


SCENES: Final[Sequence[Callable[[Stage], None]]] = (
    _form, _alarm, _question, _home, _busy, _end, _story, _steps, _morning,
)  # fmt: skip

if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
