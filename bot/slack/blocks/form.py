"""Forms built from a runbook's parameters, and what comes back from them. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bot.slack.blocks import text as t
from bot.slack.blocks.inputs import PREFIX, Pickers, input_of, option, parameter_of, submitted
from bot.slack.blocks.text import Block
from playbooks.facts import PlaybookFacts
from playbooks.glass import REASON, SHORTEST_REASON, TARGET

__all__ = ["PREFIX", "submitted"]

SUBMIT: Final = "run_form"
REJECT: Final = "reject_form"
DELEGATE: Final = "delegate_form"
BREAK_GLASS: Final = "break_glass_form"
REVIEW: Final = "review_form"
NOTE: Final = "note"
"""Block id of what a review has found."""
CONFIRM: Final = "confirm_form"
PREVIEW: Final = "form_preview"
REGION: Final = "form_region"
STEPWISE: Final = "stepwise"
"""Block id of the box that has each step wait for a button."""
INTERACTIVE: Final = "Interactive"
MOST_INPUTS: Final = 90
MOST_REGIONS: Final = 100
TITLE: Final = 24


@dataclass(frozen=True, slots=True)
class Offer:
    """What a form offers beyond its runbook: resources to pick from, Regions, a preview."""

    pickers: Pickers = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What cannot be picked, and why."""
    regions: tuple[str, ...] = ()
    """Those that may be chosen; fewer than two = there is no choice."""
    has_preview: bool = False


NOTHING_MORE: Final = Offer()


def run_form(
    facts: PlaybookFacts,
    given: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    carried: Mapping[str, str],
    offer: Offer = NOTHING_MORE,
) -> Block:
    """The form that starts a playbook: what is given is filled in, what is wrong is said beside it."""
    blocks: list[Block] = [t.section("about", _about(facts))]
    region, may_choose = carried.get("region", ""), len(offer.regions) > 1
    small = []
    if facts.approvers:
        small.append(f"Asks {t.people(facts.approvers, 8)} before it changes anything.")
    if region and not may_choose:
        small.append(f"Runs in {t.code(region)}.")
    if small:
        blocks.append(t.context("gate", " ".join(small)))
    if errors:
        sentences = [f":warning: {t.line(sentence, 500)}" for sentence in errors.values()]
        blocks.append(t.section("errors", "\n".join(sentences)))
    if may_choose:
        blocks.append(t.section("region", "*Region*", _region_menu(offer.regions, region)))
    where = region if may_choose else ""
    blocks += [
        input_of(each, given.get(each.name, ""), offer.pickers, where, is_secret=each.name in facts.secret)
        for each in facts.parameters[:MOST_INPUTS]
    ]
    if facts.goes_step_by_step:
        blocks.append(_stepwise(is_ticked=carried.get("mode") == INTERACTIVE))
    if offer.notes:
        blocks.append(t.context("notes", *(f":information_source: {t.line(note, 500)}" for note in offer.notes[:10])))
    if offer.has_preview:
        blocks.append(t.actions("look", t.button(PREVIEW, "Preview: what would happen", facts.name)))
    return {
        "type": "modal",
        "callback_id": SUBMIT,
        "title": t.plain(facts.name, TITLE),
        "submit": t.plain("Start", TITLE),
        "close": t.plain("Not now", TITLE),
        "private_metadata": json.dumps({"playbook": facts.name, **carried}),
        "blocks": blocks,
    }


def _about(facts: PlaybookFacts) -> str:
    return f"*{t.line(facts.title, 200)}*\n{t.escape(t.cut(facts.description, 600))}"


def _stepwise(*, is_ticked: bool) -> Block:
    options = [option("yes", "Step by step", "Each step waits until somebody presses Run on the card")]
    boxes: Block = {"type": "checkboxes", "action_id": "value", "options": options}
    return {
        "type": "input",
        "block_id": STEPWISE,
        "optional": True,
        "label": t.plain("How", 2000),
        "element": {**boxes, "initial_options": options} if is_ticked else boxes,
    }


def _region_menu(regions: Sequence[str], chosen: str) -> Block:
    options = [option(each) for each in regions[:MOST_REGIONS]]
    menu: Block = {"type": "static_select", "action_id": REGION, "options": options}
    initial = next((each for each in options if each["value"] == chosen), None)
    return {**menu, "initial_option": initial} if initial else menu


def loading(facts: PlaybookFacts) -> Block:
    """What is opened at once where the form itself must ask AWS first."""
    return {
        "type": "modal",
        "title": t.plain(facts.name, TITLE),
        "close": t.plain("Not now", TITLE),
        "blocks": [
            t.section("about", _about(facts)),
            t.context("wait", ":hourglass_flowing_sand: Looking in AWS for what can be chosen. One moment…"),
        ],
    }


def metadata(view: Mapping[str, Any]) -> dict[str, str]:
    """What a form was opened with, and whether it shall go step by step; nothing where that cannot be read."""
    try:
        found = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        return {}
    carried = {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
    box = ((view.get("state") or {}).get("values") or {}).get(STEPWISE)
    if box:
        carried["mode"] = INTERACTIVE if (box.get("value") or {}).get("selected_options") else "Auto"
    return carried


def errors_beside(problems: Mapping[str, str], view: Mapping[str, Any]) -> dict[str, str]:
    """Problems as Slack wants them: by block id; those of no field go to the first one."""
    inputs = [block["block_id"] for block in view.get("blocks", []) if block.get("type") == "input"]
    places = {name: block_id for block_id in inputs if (name := parameter_of(block_id))}
    found: dict[str, str] = {}
    for name, sentence in problems.items():
        place = places.get(name) or (inputs[0] if inputs else "")
        if place:
            found[place] = t.cut(f"{found[place]} {sentence}" if place in found else sentence, 1900)
    return found


def notice(title: str, text: str) -> Block:
    """A modal that only says something: where nothing can be said privately otherwise."""
    return _told(title, "Close", t.paragraphs(text, "notice"))


def offer(title: str, blocks: list[Block]) -> Block:
    """A page above a form that says why not, and what can be done about it: *Back* leads to what was filled in."""
    return _told(title, "Back", blocks)


def _told(title: str, close: str, blocks: list[Block]) -> Block:
    return {"type": "modal", "title": t.plain(title, TITLE), "close": t.plain(close, TITLE), "blocks": blocks}


def reject_form(request_id: str, title: str, *, needs_reason: bool = False) -> Block:
    """The form that asks why."""
    reason = _reason("Why? (everybody will read it)", is_optional=not needs_reason)
    return _asking(REJECT, "Reject", {"request_id": request_id}, [t.section("what", t.line(title, 2000)), reason])


def delegate_form(request_id: str, title: str) -> Block:
    """The form that asks to whom."""
    menu: Block = {"type": "users_select", "action_id": "value"}
    to: Block = {"type": "input", "block_id": "to", "label": t.plain("Who shall answer in your place?", 2000)}
    blocks = [t.section("what", t.line(title, 2000)), {**to, "element": menu}]
    return _asking(DELEGATE, "Hand over", {"request_id": request_id}, blocks)


def break_glass_form(request_id: str, title: str, targets: Sequence[str]) -> Block:
    """The form of an emergency: a reason, and the name of what it works on, typed."""
    named = ", ".join(t.code(t.cut(each, 100)) for each in targets[:10])
    warning = ":rotating_light: You decide *alone*. The approvers are told, and it will be reviewed."
    typed: Block = {"type": "plain_text_input", "action_id": "value", "max_length": 255}
    label = t.plain("Type what it works on, as it stands above", 2000)
    hint = t.plain(f"At least {SHORTEST_REASON} characters.", 2000)
    blocks = [
        t.section("what", f"{warning}\nIt works on {named}.\n{t.line(title, 1000)}"),
        {**_reason("Why can it not wait? (everybody will read it)", is_optional=False), "hint": hint},
        {"type": "input", "block_id": TARGET, "label": label, "element": typed},
    ]
    return _asking(BREAK_GLASS, "Break the glass", {"request_id": request_id}, blocks)


def review_form(request_id: str, told: str) -> Block:
    """The form that asks what the review of a break-glass has found; `told` is what there is to review, marked up."""
    note = {**_reason("What has the review found? (everybody will read it)", is_optional=False), "block_id": NOTE}
    return _asking(REVIEW, "Review", {"request_id": request_id}, [t.section("what", told), note])


def confirm_form(request_id: str, seen: str, news: Sequence[str]) -> Block:
    """Asks once more, because something has happened since the card was painted; `seen` says what was shown here."""
    said = [f"• {t.line(each, 300)}" for each in news[:10]]
    text = "\n".join([":mag: *Something has happened since you were shown this:*", *said, "Approve anyway?"])
    return _asking(CONFIRM, "Approve anyway", {"request_id": request_id, "seen": seen}, [t.section("what", text)])


def _reason(label: str, *, is_optional: bool) -> Block:
    element = {"type": "plain_text_input", "action_id": "value", "multiline": True, "max_length": 1000}
    block: Block = {"type": "input", "block_id": REASON, "optional": is_optional}
    return {**block, "label": t.plain(label, 2000), "element": element}


def _asking(callback: str, submit: str, carried: Mapping[str, str], blocks: list[Block]) -> Block:
    return {
        "type": "modal",
        "callback_id": callback,
        "title": t.plain(submit, TITLE),
        "submit": t.plain(submit, TITLE),
        "close": t.plain("Back", TITLE),
        "private_metadata": json.dumps(carried),
        "blocks": blocks,
    }
