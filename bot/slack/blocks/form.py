"""Forms built from a runbook's parameters, and what comes back from them. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.slack.blocks import text as t
from bot.slack.blocks.text import Block
from engine.document import Missing, Parameter
from infra.canonical import Json
from playbooks.facts import PlaybookFacts

SUBMIT = "run_form"
REJECT = "reject_form"
MOST_OPTIONS = 100
MOST_INPUTS = 90
TITLE = 24
LONGEST_OPTION = 150
LONGEST_INPUT = 3000
PREFIX = "p:"


def run_form(
    facts: PlaybookFacts, given: Mapping[str, str], errors: Mapping[str, str], *, carried: Mapping[str, str]
) -> Block:
    """The form that starts a playbook: what is given is filled in, what is wrong is said beside it."""
    about = f"*{t.line(facts.title, 200)}*\n{t.escape(t.cut(facts.description, 600))}"
    blocks: list[Block] = [t.section("about", about)]
    small = []
    if facts.approvers:
        small.append(f"Asks {t.people(facts.approvers, 8)} before it changes anything.")
    if carried.get("region"):
        small.append(f"Runs in {t.code(carried['region'])}.")
    if small:
        blocks.append(t.context("gate", " ".join(small)))
    if errors:
        sentences = [f":warning: {t.line(sentence, 500)}" for sentence in errors.values()]
        blocks.append(t.section("errors", "\n".join(sentences)))
    blocks += [_input(parameter, given.get(parameter.name, "")) for parameter in facts.parameters[:MOST_INPUTS]]
    return {
        "type": "modal",
        "callback_id": SUBMIT,
        "title": t.plain(facts.name, TITLE),
        "submit": t.plain("Start", TITLE),
        "close": t.plain("Not now", TITLE),
        "private_metadata": json.dumps({"playbook": facts.name, **carried}),
        "blocks": blocks,
    }


def _input(parameter: Parameter, given: str) -> Block:
    block: Block = {
        "type": "input",
        "block_id": f"{PREFIX}{parameter.name}",
        "optional": not parameter.is_required,
        "label": t.plain(parameter.name, 2000),
        "element": _element(parameter, given),
    }
    if parameter.description:
        block["hint"] = t.plain(parameter.description, 2000)
    return block


def _element(parameter: Parameter, given: str) -> Block:
    default = "" if isinstance(parameter.default, Missing) else _as_text(parameter.default)
    initial = given or default
    choices = [_as_text(value) for value in parameter.allowed_values]
    if parameter.type == "Boolean" and not choices:
        choices = ["true", "false"]
    choices = list(dict.fromkeys(choice for choice in choices if choice))
    if choices and _fit_a_menu(choices) and not _is_list(parameter):
        options = [_option(choice) for choice in choices]
        element: Block = {"type": "static_select", "action_id": "value", "options": options}
        chosen = next((option for option in options if option["value"] == initial), None)
        return {**element, "initial_option": chosen} if chosen else element
    initial = t.cut(initial, LONGEST_INPUT)
    element = {"type": "plain_text_input", "action_id": "value"}
    if parameter.display_type == "textarea" or parameter.type in ("StringMap", "MapList"):
        element["multiline"] = True
    if parameter.max_chars is not None and not _is_list(parameter):
        # A text that is too long already stays, so that its error can be said beside it.
        element["max_length"] = min(max(parameter.max_chars, len(initial), 1), LONGEST_INPUT)
    return {**element, "initial_value": initial} if initial else element


def _is_list(parameter: Parameter) -> bool:
    return parameter.type == "StringList" or parameter.type.startswith("List<")


def _fit_a_menu(choices: Sequence[str]) -> bool:
    """Slack would refuse a longer menu, and a value that is cut is another value."""
    return len(choices) <= MOST_OPTIONS and all(len(choice) <= LONGEST_OPTION for choice in choices)


def _option(value: str) -> Block:
    return {"text": t.plain(value, 75), "value": value}


def _as_text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return ", ".join(str(item) for item in value) if _is_plain_list(value) else json.dumps(value)
    return "" if value is None else str(value)


def _is_plain_list(value: Json) -> bool:
    """Whether the texts can be joined with commas and be told apart again."""
    return isinstance(value, list) and all(
        isinstance(item, str) and "," not in item and item == item.strip() and item[:1] not in ("", "[")
        for item in value
    )


def metadata(view: Mapping[str, Any]) -> dict[str, str]:
    """What a form was opened with; nothing where that cannot be read."""
    try:
        found = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def submitted(view: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a submitted form, by parameter; what was left empty is left out."""
    found: dict[str, str] = {}
    for block_id, values in (view.get("state", {}).get("values") or {}).items():
        if not block_id.startswith(PREFIX):
            continue
        for element in values.values():
            option = element.get("selected_option") or {}
            text = option.get("value") or element.get("value") or ""
            if text:
                found[block_id.removeprefix(PREFIX)] = str(text)
    return found


def errors_beside(problems: Mapping[str, str], view: Mapping[str, Any]) -> dict[str, str]:
    """Problems as Slack wants them: by block id; those of no field go to the first one."""
    inputs = [block["block_id"] for block in view.get("blocks", []) if block.get("type") == "input"]
    found: dict[str, str] = {}
    for name, sentence in problems.items():
        place = f"{PREFIX}{name}" if f"{PREFIX}{name}" in inputs else (inputs[0] if inputs else "")
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
