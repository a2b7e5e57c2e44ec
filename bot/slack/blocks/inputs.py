"""One input of a form for each type of parameter, and what comes back from it. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from bot.slack.blocks import text as t
from bot.slack.blocks.text import Block
from engine.document import MISSING, Missing, Parameter
from engine.patterns import PatternError, matches
from infra.canonical import Json
from playbooks.typed import typed_values

PREFIX: Final = "p:"
"""Begins the block id of a parameter's input."""
OF: Final = "@"
VALUE: Final = "value"
PICK: Final = "pick"
"""Action id of a picker, whose options Slack asks for."""
MOST_OPTIONS: Final = 100
LONGEST_OPTION: Final = 150
LONGEST_INPUT: Final = 3000
PLACEHOLDER: Final = 150
MOST_CHOICES: Final = 1000
"""More would make the form too large for Slack: they are typed."""
UNSEEN: Final = "It is a secret, so what it is by default is not shown; left empty, that is used."
DATES: Final = ("2026-03-01", "1999-12-31", "2024-02-29")
NO_DATES: Final = ("", "x", "20260301", "2026-3-1", "web-1", "i-0b7d1c44e9f2a6d35", "2026-03-01T10:00:00Z", "12345-67")

_SAID_BY_SLACK: Final = re.compile(r"^\((Required|Optional)\)\s*", re.IGNORECASE)
"""AWS begins descriptions so; Slack says it beside the label."""

Pickers = Mapping[str, Mapping[str, str]]
"""Type of resource -> id -> how people call it. What is in it is chosen from AWS, the rest is typed."""


def input_of(parameter: Parameter, given: str, pickers: Pickers, region: str = "", *, is_secret: bool = False) -> Block:
    """The input of one parameter, with what was given or is the default in it; the default of a secret is not shown.

    A picker's id names its `region`: Slack keeps what was chosen in a block that keeps its id.
    """
    shown = replace(parameter, default=MISSING) if is_secret else parameter
    of = f"{OF}{region}" if region and resource_type(parameter) in pickers else ""
    block: Block = {
        "type": "input",
        "block_id": f"{PREFIX}{parameter.name}{of}",
        "optional": not parameter.is_required or is_switch(parameter),
        "label": t.plain(parameter.name, 2000),
        "element": _element(shown, given, pickers),
    }
    hint = _SAID_BY_SLACK.sub("", parameter.description) or _how(parameter, block["element"])
    if is_secret and not parameter.is_required:
        hint = f"{hint} {UNSEEN}".strip()
    return {**block, "hint": t.plain(hint, 2000)} if hint else block


def parameter_of(block_id: str) -> str:
    """The parameter of an input's block id; "" for other blocks."""
    return block_id.removeprefix(PREFIX).partition(OF)[0] if block_id.startswith(PREFIX) else ""


def resource_type(parameter: Parameter) -> str:
    """`AWS::EC2::Instance::Id` for it and for lists of it; "" for what is no resource."""
    inner = parameter.type.removeprefix("List<").removesuffix(">")
    return inner if inner.startswith("AWS::") else ""


def is_list(parameter: Parameter) -> bool:
    """Whether it takes several values."""
    return parameter.type == "StringList" or parameter.type.startswith("List<")


def is_switch(parameter: Parameter) -> bool:
    """Whether it is a box to tick: yes or no, with one of them as the default."""
    return parameter.type == "Boolean" and not parameter.is_required and not parameter.allowed_values


def is_date(parameter: Parameter) -> bool:
    """Whether its pattern takes days as ISO 8601 writes them, and nothing else that we can think of."""
    if parameter.type != "String" or not parameter.allowed_pattern or parameter.allowed_values:
        return False
    pattern = parameter.allowed_pattern
    try:
        return all(matches(pattern, day) for day in DATES) and not any(matches(pattern, text) for text in NO_DATES)
    except PatternError:
        return False


def _element(parameter: Parameter, given: str, pickers: Pickers) -> Block:
    initial = given or ("" if isinstance(parameter.default, Missing) else as_text(parameter.default))
    if is_switch(parameter):
        return _switch(initial)
    choices = [as_text(value) for value in parameter.allowed_values]
    if parameter.type == "Boolean" and not choices:
        choices = ["true", "false"]
    choices = list(dict.fromkeys(choice for choice in choices if choice))
    if choices and _fit_a_menu(choices):
        return _menu(parameter, choices, initial)
    kind = resource_type(parameter)
    if kind in pickers:
        return _picker(parameter, initial, pickers[kind])
    if is_date(parameter):
        element: Block = {"type": "datepicker", "action_id": VALUE}
        return {**element, "initial_date": initial} if _is_a_day(parameter, initial) else element
    if parameter.type == "Integer":
        element = {"type": "number_input", "action_id": VALUE, "is_decimal_allowed": False}
        return {**element, "initial_value": initial} if re.fullmatch(r"-?\d{1,18}", initial) else element
    return _text_input(parameter, t.cut(initial, LONGEST_INPUT))


def _switch(initial: str) -> Block:
    options = [option("true", "Yes")]
    element: Block = {"type": "checkboxes", "action_id": VALUE, "options": options}
    return {**element, "initial_options": options} if initial.lower() == "true" else element


def _menu(parameter: Parameter, choices: Sequence[str], initial: str) -> Block:
    options = [option(choice) for choice in choices]
    offered = _offered(options)
    if not is_list(parameter):
        element: Block = {"type": "static_select", "action_id": VALUE, **offered}
        chosen = next((each for each in options if each["value"] == initial), None)
        return {**element, "initial_option": chosen} if chosen else element
    wanted = _items(parameter, initial)
    element = {"type": "multi_static_select", "action_id": VALUE, **offered, **_at_most(parameter)}
    several = [each for each in options if each["value"] in wanted]
    return {**element, "initial_options": several} if several else element


def _offered(options: Sequence[Block]) -> Block:
    """The options of a menu; more than Slack takes at once are divided into groups, in which Slack searches as well."""
    if len(options) <= MOST_OPTIONS:
        return {"options": list(options)}
    parts = [list(options[at : at + MOST_OPTIONS]) for at in range(0, len(options), MOST_OPTIONS)]
    labels = [f"{part[0]['value'][:30]} … {part[-1]['value'][:30]}" for part in parts]
    return {
        "option_groups": [
            {"label": t.plain(label, 75), "options": part} for label, part in zip(labels, parts, strict=True)
        ]
    }


def _picker(parameter: Parameter, initial: str, names: Mapping[str, str]) -> Block:
    """A menu whose options are looked for in AWS while somebody types."""
    element: Block = {
        "type": "multi_external_select" if is_list(parameter) else "external_select",
        "action_id": PICK,
        "min_query_length": 0,
        "placeholder": t.plain("Search by name, tag or id", PLACEHOLDER),
    }
    given = _items(parameter, initial) if is_list(parameter) else [initial]
    chosen = [option(each, names.get(each, each)) for each in given if 0 < len(each) <= LONGEST_OPTION]
    if not is_list(parameter):
        return {**element, "initial_option": chosen[0]} if chosen else element
    element |= _at_most(parameter)
    return {**element, "initial_options": chosen[:MOST_OPTIONS]} if chosen else element


def _text_input(parameter: Parameter, initial: str) -> Block:
    element: Block = {"type": "plain_text_input", "action_id": VALUE}
    if parameter.display_type == "textarea" or parameter.type in ("StringMap", "MapList"):
        element["multiline"] = True
    if parameter.max_chars is not None and not is_list(parameter):
        # A text that is too long already stays, so that its error can be said beside it.
        element["max_length"] = min(max(parameter.max_chars, len(initial), 1), LONGEST_INPUT)
    return {**element, "initial_value": initial} if initial else element


def _how(parameter: Parameter, element: Block) -> str:
    """How to write a value, where its runbook does not say."""
    if element["type"] != "plain_text_input":
        return ""
    if is_list(parameter):
        return "Several are separated by commas."
    return {"StringMap": 'JSON: {"name": "value"}', "MapList": 'JSON: [{"name": "value"}]'}.get(parameter.type, "")


def _at_most(parameter: Parameter) -> Block:
    return {"max_selected_items": parameter.max_items} if parameter.max_items else {}


def _is_a_day(parameter: Parameter, text: str) -> bool:
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text)) and matches(parameter.allowed_pattern or "", text)


def _items(parameter: Parameter, text: str) -> list[str]:
    value = typed_values((parameter,), {parameter.name: text})[parameter.name]
    return [str(item) for item in value] if isinstance(value, list) else [text]


def _fit_a_menu(choices: Sequence[str]) -> bool:
    """Slack would refuse a longer menu, and a value that is cut is another value."""
    return len(choices) <= MOST_CHOICES and all(len(choice) <= LONGEST_OPTION for choice in choices)


def option(value: str, label: str = "", description: str = "") -> Block:
    """One option; `value` has at most 150 characters."""
    found: Block = {"text": t.plain(label or value, 75), "value": value}
    return {**found, "description": t.plain(description, 75)} if description else found


def as_text(value: Json) -> str:
    """A value as somebody would type it."""
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


def submitted(view: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a form, by parameter; what was left empty is left out, a box that is not ticked is `false`."""
    found: dict[str, str] = {}
    for block in view.get("blocks") or []:
        name = parameter_of(str(block.get("block_id") or ""))
        if name and (block.get("element") or {}).get("type") == "checkboxes":
            found[name] = "false"
    for block_id, values in ((view.get("state") or {}).get("values") or {}).items():
        name = parameter_of(block_id)
        for element in values.values() if name else ():
            text = _said(element)
            if text:
                found[name] = text
    return found


def _said(element: Mapping[str, Any]) -> str:
    """The text of one element; of several options a JSON list, so that commas in them divide nothing."""
    chosen = [str(each.get("value") or "") for each in element.get("selected_options") or []]
    if element.get("type") == "checkboxes":
        return "true" if chosen else "false"
    if chosen:
        return json.dumps(chosen)
    one = element.get("selected_option") or {}
    return str(one.get("value") or element.get("selected_date") or element.get("value") or "")
