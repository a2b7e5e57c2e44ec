"""Forms built from a runbook's parameters, and what comes back from them. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bot.slack.blocks import text as t
from bot.slack.blocks.inputs import PREFIX, Pickers, input_of, option, parameter_of, submitted
from bot.slack.blocks.text import Block
from playbooks.facts import PlaybookFacts

__all__ = ["PREFIX", "submitted"]

SUBMIT: Final = "run_form"
REJECT: Final = "reject_form"
PREVIEW: Final = "form_preview"
REGION: Final = "form_region"
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
        input_of(each, given.get(each.name, ""), offer.pickers, where) for each in facts.parameters[:MOST_INPUTS]
    ]
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
    """What a form was opened with; nothing where that cannot be read."""
    try:
        found = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def errors_beside(problems: Mapping[str, str], view: Mapping[str, Any]) -> dict[str, str]:
    """Problems as Slack wants them: by block id; those of no field go to the first one."""
    inputs = [block["block_id"] for block in view.get("blocks", []) if block.get("type") == "input"]
    places = {parameter_of(block_id): block_id for block_id in inputs}
    found: dict[str, str] = {}
    for name, sentence in problems.items():
        place = places.get(name) or (inputs[0] if inputs else "")
        if place:
            found[place] = t.cut(f"{found[place]} {sentence}" if place in found else sentence, 1900)
    return found


def notice(title: str, text: str) -> Block:
    """A modal that only says something: where nothing can be said privately otherwise."""
    return {
        "type": "modal",
        "title": t.plain(title, TITLE),
        "close": t.plain("Close", TITLE),
        "blocks": t.paragraphs(text, "notice"),
    }


def reject_form(request_id: str, title: str) -> Block:
    """The form that asks why."""
    return {
        "type": "modal",
        "callback_id": REJECT,
        "title": t.plain("Reject", TITLE),
        "submit": t.plain("Reject", TITLE),
        "close": t.plain("Back", TITLE),
        "private_metadata": json.dumps({"request_id": request_id}),
        "blocks": [
            t.section("what", t.line(title, 2000)),
            {
                "type": "input",
                "block_id": "reason",
                "optional": True,
                "label": t.plain("Why? (everybody will read it)", 2000),
                "element": {"type": "plain_text_input", "action_id": "value", "multiline": True, "max_length": 1000},
            },
        ],
    }
