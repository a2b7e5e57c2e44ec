"""Forms built from a runbook's parameters, and what comes back from them. Pure."""

import json
from collections.abc import Mapping
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
PREFIX = "p:"


def run_form(
    facts: PlaybookFacts, given: Mapping[str, str], errors: Mapping[str, str], *, metadata: Mapping[str, str]
) -> Block:
    """The form that starts a playbook: what is given is filled in, what is wrong is said beside it."""
    blocks: list[Block] = [t.section("about", f"*{t.escape(facts.title)}*\n{t.escape(t.cut(facts.description, 600))}")]
    if facts.approvers:
        blocks.append(t.context("gate", f"Asks {', '.join(facts.approvers[:8])} before it changes anything."))
    for name, sentence in errors.items():
        blocks.append(t.section(f"error-{name}"[:255], f":warning: {t.escape(sentence)}"))
    blocks += [_input(parameter, given.get(parameter.name, "")) for parameter in facts.parameters[:MOST_INPUTS]]
    return {
        "type": "modal",
        "callback_id": SUBMIT,
        "title": {"type": "plain_text", "text": t.cut(facts.name, 24)},
        "submit": {"type": "plain_text", "text": "Start"},
        "close": {"type": "plain_text", "text": "Not now"},
        "private_metadata": json.dumps({"playbook": facts.name, **metadata})[:3000],
        "blocks": blocks,
    }


def _input(parameter: Parameter, given: str) -> Block:
    label = t.cut(parameter.name, 2000)
    block: Block = {
        "type": "input",
        "block_id": f"{PREFIX}{parameter.name}",
        "optional": not parameter.is_required,
        "label": {"type": "plain_text", "text": label},
        "element": _element(parameter, given),
    }
    if parameter.description:
        block["hint"] = {"type": "plain_text", "text": t.cut(parameter.description, 2000)}
    return block


def _element(parameter: Parameter, given: str) -> Block:
    default = "" if isinstance(parameter.default, Missing) else _as_text(parameter.default)
    initial = given or default
    choices = [_as_text(value) for value in parameter.allowed_values]
    if parameter.type == "Boolean" and not choices:
        choices = ["true", "false"]
    choices = [choice for choice in choices if choice]
    is_list = parameter.type == "StringList" or parameter.type.startswith("List<")
    if choices and len(choices) <= MOST_OPTIONS and not is_list:
        options = [_option(choice) for choice in choices]
        element: Block = {"type": "static_select", "action_id": "value", "options": options}
        chosen = next((option for option in options if option["value"] == initial), None)
        return {**element, "initial_option": chosen} if chosen else element
    element = {"type": "plain_text_input", "action_id": "value"}
    if parameter.display_type == "textarea" or parameter.type in ("StringMap", "MapList"):
        element["multiline"] = True
    if parameter.max_chars is not None:
        element["max_length"] = min(max(parameter.max_chars, 1), 3000)
    return {**element, "initial_value": t.cut(initial, 3000)} if initial else element


def _option(value: str) -> Block:
    return {"text": {"type": "plain_text", "text": t.cut(value, 75)}, "value": value[:150]}


def _as_text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        is_plain = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return ", ".join(str(item) for item in value) if is_plain else json.dumps(value)
    return "" if value is None else str(value)


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
            found[place] = t.cut(sentence, 1900)
    return found


def reject_form(request_id: str, title: str) -> Block:
    """The form that asks why."""
    return {
        "type": "modal",
        "callback_id": REJECT,
        "title": {"type": "plain_text", "text": "Reject"},
        "submit": {"type": "plain_text", "text": "Reject"},
        "close": {"type": "plain_text", "text": "Back"},
        "private_metadata": json.dumps({"request_id": request_id}),
        "blocks": [
            t.section("what", t.escape(title)),
            {
                "type": "input",
                "block_id": "reason",
                "optional": True,
                "label": {"type": "plain_text", "text": "Why? (everybody will read it)"},
                "element": {"type": "plain_text_input", "action_id": "value", "multiline": True, "max_length": 1000},
            },
        ],
    }
