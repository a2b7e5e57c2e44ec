"""Slack's limits on messages and views, as its pages and `slackblocks` name them: what is wrong, with JSON pointers."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from slackblocks import _limits as limits

Problem = tuple[str, str]
Block = Mapping[str, Any]

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
MESSAGE_CHARACTERS = 13_200
"""Measured by others: from about here on Slack says msg_blocks_too_long."""
TITLE = 24
ON_VIEWS = frozenset({"actions", "context", "divider", "header", "image", "input", "rich_text", "section", "video"})
ON_MESSAGES = ON_VIEWS | {"card", "markdown", "table"}
STYLES = (None, "primary", "danger")


def message_problems(blocks: object) -> list[Problem]:
    """What Slack would not take of a message's blocks."""
    found = list(_blocks(blocks, most=MESSAGE_BLOCKS, kinds=ON_MESSAGES))
    if isinstance(blocks, list) and sum(_characters(block) for block in blocks) > MESSAGE_CHARACTERS:
        found.append(("/blocks", "too many characters altogether"))
    return found


def view_problems(view: Block) -> list[Problem]:
    """What Slack would not take of a modal or a home."""
    found: list[Problem] = []
    if view.get("type") not in ("modal", "home"):
        return [("/type", "modal or home")]
    if view["type"] == "modal":
        found += _text(view.get("title"), TITLE, "/title", is_plain=True)
        for name in ("submit", "close"):
            if name in view:
                found += _text(view[name], TITLE, f"/{name}", is_plain=True)
        has_inputs = any(block.get("type") == "input" for block in view.get("blocks") or [])
        if has_inputs and not view.get("submit"):
            found.append(("/submit", "required with inputs"))
    for name, most in (("private_metadata", 3000), ("callback_id", 255)):
        if len(view.get(name) or "") > most:
            found.append((f"/{name}", f"longer than {most}"))
    if len(json.dumps(view)) > 250_000:
        found.append(("/", "view_too_large"))
    return [*found, *_blocks(view.get("blocks"), most=VIEW_BLOCKS, kinds=ON_VIEWS)]


def _blocks(blocks: object, *, most: int, kinds: frozenset[str]) -> Iterator[Problem]:
    if not isinstance(blocks, list):
        yield "/blocks", "array expected"
        return
    if len(blocks) > most:
        yield "/blocks", f"more than {most}"
    seen: set[str] = set()
    for number, block in enumerate(blocks):
        place, kind, block_id = f"/blocks/{number}", block.get("type"), block.get("block_id")
        if kind not in kinds:
            yield f"{place}/type", f"{kind} is not allowed here"
        if block_id is not None and not 1 <= len(block_id) <= limits.BLOCK_ID_MAX_LENGTH:
            yield f"{place}/block_id", "length"
        if block_id in seen:
            yield f"{place}/block_id", "duplicate"
        seen.add(block_id or place)
        yield from _block(block, place)


def _block(block: Block, place: str) -> Iterator[Problem]:
    match block.get("type"):
        case "header":
            yield from _text(block.get("text"), 150, f"{place}/text", is_plain=True)
        case "section":
            yield from _section(block, place)
        case "actions":
            yield from _count(block.get("elements"), 25, f"{place}/elements")
            seen: set[str] = set()
            for number, element in enumerate(block.get("elements") or []):
                yield from _element(element, f"{place}/elements/{number}", seen)
        case "image":
            yield from _image(block, place)
        case "context":
            yield from _count(block.get("elements"), 10, f"{place}/elements")
            for number, element in enumerate(block.get("elements") or []):
                yield from _text(element, 2000, f"{place}/elements/{number}")
        case "input":
            yield from _text(block.get("label"), 2000, f"{place}/label", is_plain=True)
            if "hint" in block:
                yield from _text(block["hint"], 2000, f"{place}/hint", is_plain=True)
            yield from _element(block.get("element") or {}, f"{place}/element", set())


def _section(block: Block, place: str) -> Iterator[Problem]:
    if not block.get("text") and not block.get("fields"):
        yield place, "text or fields required"
    if "text" in block:
        yield from _text(block["text"], 3000, f"{place}/text")
    if "accessory" in block:
        yield from _element(block["accessory"], f"{place}/accessory", set())


def _image(block: Block, place: str) -> Iterator[Problem]:
    if not 1 <= len(block.get("alt_text") or "") <= 2000:
        yield f"{place}/alt_text", "1..2000"
    if ("image_url" in block) == ("slack_file" in block):
        yield place, "image_url or slack_file"


def _element(element: Block, place: str, seen: set[str]) -> Iterator[Problem]:
    action_id = element.get("action_id")
    if action_id is not None and len(action_id) > limits.ACTION_ID_MAX_LENGTH:
        yield f"{place}/action_id", "too long"
    if action_id in seen:
        yield f"{place}/action_id", "duplicate in block"
    seen.add(action_id or place)
    match element.get("type"):
        case "button":
            yield from _text(element.get("text"), limits.BUTTON_TEXT_MAX_LENGTH, f"{place}/text", is_plain=True)
            if len(element.get("value") or "") > limits.BUTTON_VALUE_MAX_LENGTH:
                yield f"{place}/value", "too long"
            if element.get("style") not in STYLES:
                yield f"{place}/style", "primary or danger"
            if "confirm" in element:
                yield from _confirm(element["confirm"], f"{place}/confirm")
        case "static_select" | "multi_static_select":
            yield from _options(element, f"{place}/options")
        case "checkboxes":
            yield from _count(element.get("options"), 10, f"{place}/options")
            yield from _options(element, f"{place}/options")
        case "external_select" | "multi_external_select":
            yield from _external(element, place)
        case "plain_text_input" | "number_input" | "datepicker":
            yield from _typed(element, place)
        case "users_select":
            pass
        case other:
            yield f"{place}/type", f"unknown element {other}"


def _typed(element: Block, place: str) -> Iterator[Problem]:
    match element["type"]:
        case "plain_text_input":
            yield from _input(element, place)
        case "number_input":
            if not isinstance(element.get("is_decimal_allowed"), bool):
                yield f"{place}/is_decimal_allowed", "required"
            if not re.fullmatch(r"-?[0-9]+", element.get("initial_value", "0")):
                yield f"{place}/initial_value", "must be a number"
        case "datepicker":
            if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", element.get("initial_date", "2026-01-01")):
                yield f"{place}/initial_date", "must be YYYY-MM-DD"


def _confirm(confirm: Block, place: str) -> Iterator[Problem]:
    for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        yield from _text(confirm.get(name), most, f"{place}/{name}")


def _options(element: Block, place: str) -> Iterator[Problem]:
    options = element.get("options")
    if "option_groups" in element:
        yield from _count(element["option_groups"], 100, f"{place}/groups")
        for group in element["option_groups"]:
            yield from _text(group.get("label"), 75, f"{place}/label", is_plain=True)
            yield from _count(group.get("options"), limits.SELECT_OPTIONS_MAX_ITEMS, place)
        options = [option for group in element["option_groups"] for option in group["options"]]
    else:
        yield from _count(options, limits.SELECT_OPTIONS_MAX_ITEMS, place)
    for number, option in enumerate(options or []):
        yield from _text(option.get("text"), limits.OPTION_TEXT_MAX_LENGTH, f"{place}/{number}/text", is_plain=True)
        if not 1 <= len(option.get("value") or "") <= limits.OPTION_VALUE_MAX_LENGTH:
            yield f"{place}/{number}/value", "length"
        if "description" in option:
            yield from _text(option["description"], 75, f"{place}/{number}/description", is_plain=True)
    if "initial_option" in element and element["initial_option"] not in (options or []):
        yield f"{place}/initial_option", "must be one of the options"
    if "initial_options" in element:
        yield from _count(
            element["initial_options"], element.get("max_selected_items", 100), f"{place}/initial_options"
        )
        if any(each not in (options or []) for each in element["initial_options"]):
            yield f"{place}/initial_options", "must be of the options"


def _external(element: Block, place: str) -> Iterator[Problem]:
    initial = [
        *([element["initial_option"]] if "initial_option" in element else []),
        *element.get("initial_options", []),
    ]
    if initial:
        yield from _options({"options": initial}, f"{place}/initial")
    if "placeholder" in element:
        yield from _text(element["placeholder"], 150, f"{place}/placeholder", is_plain=True)
    if element.get("max_selected_items", 1) < 1:
        yield f"{place}/max_selected_items", "at least 1"


def options_problems(answer: Mapping[str, Any]) -> list[Problem]:
    """What Slack would not take of an answer to a menu's question."""
    if ("options" in answer) == ("option_groups" in answer):
        return [("/", "options or option_groups")]
    found: list[Problem] = []
    for number, group in enumerate(answer.get("option_groups", [])):
        found += _text(group.get("label"), 75, f"/option_groups/{number}/label", is_plain=True)
        found += _options(group, f"/option_groups/{number}/options")
    if answer.get("options"):
        found += _options(answer, "/options")
    return [*found, *([("/option_groups", "1..100")] if answer.get("option_groups") == [] else [])]


def _input(element: Block, place: str) -> Iterator[Problem]:
    most = element.get("max_length", 3000)
    if not 1 <= most <= 3000:
        yield f"{place}/max_length", "1..3000"
    if len(element.get("initial_value") or "") > most:
        yield f"{place}/initial_value", "longer than max_length"


def _count(items: object, most: int, place: str) -> Iterator[Problem]:
    if not isinstance(items, list) or not 1 <= len(items) <= most:
        yield place, f"1..{most} items"


def _text(text: object, most: int, place: str, *, is_plain: bool = False) -> Iterator[Problem]:
    if not isinstance(text, Mapping) or text.get("type") not in ("plain_text", "mrkdwn"):
        yield place, "a text object is expected"
        return
    if is_plain and text["type"] != "plain_text":
        yield f"{place}/type", "must be plain_text"
    length = len(text.get("text") or "")
    if not 1 <= length <= most:
        yield f"{place}/text", f"length {length} is not in 1..{most}"


def _characters(block: Block) -> int:
    return len(json.dumps(block, ensure_ascii=False))
