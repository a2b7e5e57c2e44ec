"""A second opinion on our blocks: `slackblocks`, which somebody else wrote, must take them and read them the same."""

from collections.abc import Mapping
from typing import Any

import slackblocks as s
from slackblocks.objects import TextType

from tests.fakes.block_limits import message_problems, view_problems

Plain = Mapping[str, Any]


def check_message(blocks: list[dict[str, Any]]) -> None:
    """Raises where Slack would refuse a message of these blocks."""
    assert message_problems(blocks) == []
    s.Message("C1", "text", [_block(block) for block in blocks])


def check_view(view: dict[str, Any]) -> None:
    """Raises where Slack would refuse this modal or home."""
    assert view_problems(view) == []
    blocks = [_block(block) for block in view["blocks"]]
    if view["type"] == "home":
        s.HomeTabView(blocks)
        return
    submit = _text(view["submit"]) if "submit" in view else None
    close, metadata = _text(view["close"]), view.get("private_metadata")
    s.ModalView(_text(view["title"]), blocks, close, submit, metadata, view.get("callback_id"))


def _block(block: Plain) -> Any:
    made = _made(block, block["block_id"])
    assert _without_defaults(made._resolve()) == _without_defaults(block)
    return made


def _made(block: Plain, block_id: str) -> Any:
    match block["type"]:
        case "header":
            return s.HeaderBlock(_text(block["text"]), block_id)
        case "section":
            accessory = _element(block["accessory"]) if "accessory" in block else None
            return s.SectionBlock(_text(block["text"]), block_id, accessory=accessory)
        case "context":
            return s.ContextBlock([_text(element) for element in block["elements"]], block_id)
        case "divider":
            return s.DividerBlock(block_id)
        case "actions":
            return s.ActionsBlock([_element(element) for element in block["elements"]], block_id)
        case "input":
            hint = _text(block["hint"]) if "hint" in block else None
            element = _element(block["element"])
            return s.InputBlock(
                _text(block["label"]),
                element,
                block.get("dispatch_action", False),
                block_id=block["block_id"],
                hint=hint,
                optional=block.get("optional", False),
            )
    raise AssertionError(f"what is a {block['type']}?")


def _element(element: Plain) -> Any:
    match element["type"]:
        case "button":
            confirm = element.get("confirm")
            return s.Button(
                _text(element["text"]),
                element["action_id"],
                value=element["value"],
                style=element.get("style"),
                confirm=s.ConfirmationDialogue(**{name: _text(text) for name, text in confirm.items()})
                if confirm
                else None,
            )
        case "static_select":
            initial = element.get("initial_option")
            options = [_option(option) for option in element["options"]]
            return s.StaticSelectMenu(
                element["action_id"],
                options,
                initial_option=_option(initial) if initial else None,
                placeholder=_text(element["placeholder"]) if "placeholder" in element else None,
            )
        case "multi_static_select":
            initial = [_option(option) for option in element.get("initial_options", [])]
            return s.StaticMultiSelectMenu(
                element["action_id"],
                [_option(option) for option in element["options"]],
                initial_options=initial or None,
                max_selected_items=element.get("max_selected_items"),
            )
        case "users_select":
            return s.UserSelectMenu(element["action_id"])
        case "external_select":
            return s.ExternalSelectMenu(
                element["action_id"],
                _option(element["initial_option"]) if "initial_option" in element else None,
                element["min_query_length"],
                placeholder=_text(element["placeholder"]),
            )
        case "multi_external_select":
            return s.ExternalMultiSelectMenu(
                element["action_id"],
                min_query_length=element["min_query_length"],
                initial_options=[_option(option) for option in element.get("initial_options", [])] or None,
                max_selected_items=element.get("max_selected_items"),
                placeholder=_text(element["placeholder"]),
            )
        case "checkboxes":
            initial = [_option(option) for option in element.get("initial_options", [])]
            options = [_option(option) for option in element["options"]]
            return s.CheckboxGroup(element["action_id"], options, initial or None)
        case "number_input":
            return s.NumberInput(element["is_decimal_allowed"], element["action_id"], element.get("initial_value"))
        case "datepicker":
            return s.DatePicker(element["action_id"], element.get("initial_date"))
        case "plain_text_input":
            config = element.get("dispatch_action_config")
            return s.PlainTextInput(
                element["action_id"],
                element.get("initial_value"),
                element.get("multiline", False),
                max_length=element.get("max_length"),
                placeholder=_text(element["placeholder"]) if "placeholder" in element else None,
                dispatch_action_config=s.DispatchActionConfiguration(config["trigger_actions_on"]) if config else None,
            )
    raise AssertionError(f"what is a {element['type']}?")


def _option(option: Plain) -> Any:
    description = _text(option["description"]) if "description" in option else None
    return s.Option(_text(option["text"]), option["value"], description)


def _text(text: Plain) -> Any:
    kind = TextType.PLAINTEXT if text["type"] == "plain_text" else TextType.MARKDOWN
    return s.Text(text["text"], kind, text.get("emoji", False), text.get("verbatim", False))


def _without_defaults(value: Any) -> Any:
    """What slackblocks leaves out, or writes though it is the default."""
    if isinstance(value, Mapping):
        return {name: _without_defaults(each) for name, each in value.items() if each not in (False, None)}
    return [_without_defaults(each) for each in value] if isinstance(value, list) else value
