"""Which playbook to run on a message: the form that asks, and where what was found in the message belongs. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bot.slack.blocks import text as t
from bot.slack.blocks.inputs import MOST_OPTIONS, is_list, option, resource_type
from bot.slack.blocks.text import Block
from engine.document import Parameter
from engine.patterns import PatternError, matches
from playbooks.facts import PlaybookFacts
from playbooks.resource_kinds import INSTANCE

SUBMIT: Final = "pick_form"
PLAYBOOK: Final = "playbook"
INSTANCES: Final = "instances"
VALUE: Final = "value"
TITLE: Final = 24


def picker(playbooks: Sequence[PlaybookFacts], instances: Sequence[str], *, carried: Mapping[str, str]) -> Block:
    """The form. Playbooks that take what was found come first."""
    ranked = sorted(playbooks, key=lambda each: not (instances and place_of(each)))
    options = [option(each.name, each.title, each.name) for each in ranked[:MOST_OPTIONS] if len(each.name) <= 150]
    blocks: list[Block] = [
        t.section(
            "found",
            f"In this message I found {', '.join(t.code(each) for each in instances[:20])}."
            if instances
            else "I found no instance id in this message; the playbook's form asks for it.",
        ),
        _asked(PLAYBOOK, "Playbook", {"type": "static_select", "action_id": VALUE, "options": options}),
    ]
    if instances:
        menu = {"type": "multi_static_select", "action_id": VALUE, "options": [option(each) for each in instances]}
        blocks.append({**_asked(INSTANCES, "On which", {**menu, "initial_options": menu["options"]}), "optional": True})
    if len(ranked) > MOST_OPTIONS:
        blocks.append(t.context("more", f"… and {len(ranked) - MOST_OPTIONS} more playbooks; `/playbook run NAME`."))
    return {
        "type": "modal",
        "callback_id": SUBMIT,
        "title": t.plain("Run a playbook", TITLE),
        "submit": t.plain("Next", TITLE),
        "close": t.plain("Not now", TITLE),
        "private_metadata": json.dumps(carried),
        "blocks": blocks,
    }


def _asked(block_id: str, label: str, element: Block) -> Block:
    return {
        "type": "input",
        "block_id": block_id,
        "optional": False,
        "label": t.plain(label, 2000),
        "element": element,
    }


def picked(view: Mapping[str, Any]) -> tuple[str, list[str]]:
    """(name of the playbook, chosen instances)."""
    values = (view.get("state") or {}).get("values") or {}
    name = ((values.get(PLAYBOOK) or {}).get(VALUE) or {}).get("selected_option") or {}
    chosen = ((values.get(INSTANCES) or {}).get(VALUE) or {}).get("selected_options") or []
    return str(name.get("value") or ""), [str(each.get("value") or "") for each in chosen]


def placed(facts: PlaybookFacts, instances: Sequence[str]) -> dict[str, str]:
    """What was found, as the text of the parameter it belongs to; where one value fits, the first."""
    place = place_of(facts)
    if place is None or not instances:
        return {}
    return {place.name: json.dumps(list(instances)) if is_list(place) else instances[0]}


def place_of(facts: PlaybookFacts) -> Parameter | None:
    """The parameter that takes instances: by its type, else by its name."""
    typed = (each for each in facts.parameters if resource_type(each) == INSTANCE)
    named = (each for each in facts.parameters if "instanceid" in each.name.lower() and _takes_ids(each))
    return next(typed, None) or next(named, None)


def _takes_ids(parameter: Parameter) -> bool:
    if parameter.type not in ("String", "StringList") or parameter.allowed_values:
        return False
    try:
        return parameter.allowed_pattern is None or matches(parameter.allowed_pattern, "i-0b7d1c44e9f2a6d35")
    except PatternError:
        return False
