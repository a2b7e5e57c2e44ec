"""What aws:assertAwsResourceProperty and aws:waitForAwsResourceProperty share: one look at one property."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from engine.action import ActionContext, ActionInputs
from engine.actions.execute_aws_api import call_api, model_of
from engine.document import MISSING, Missing
from engine.selectors import select
from infra.canonical import Json


def _as_python_spells(value: object) -> object:
    items = value if isinstance(value, list) else [value]
    return [str(item) if isinstance(item, (bool, int, float)) else item for item in items]


class PropertyInputs(ActionInputs):
    """Inputs of both; everything else is the operation's own."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=False)

    service: str
    api: str
    property_selector: str
    desired_values: Annotated[list[str], BeforeValidator(_as_python_spells), Field(min_length=1)]


def look(inputs: PropertyInputs, context: ActionContext) -> Json | Missing:
    """The property now. Raises AwsRefused, AwsUnreachable, SelectorError."""
    model = model_of(inputs.service, inputs.api, context)
    answer: dict[str, Any] = call_api(inputs.model_dump(by_alias=True), model, context)
    return select(inputs.property_selector, answer)


def is_desired(found: Json | Missing, desired: list[str]) -> bool:
    """Whether the value is a desired one: compared as Python spells it (True, False), lists element by element."""
    if isinstance(found, Missing):
        return False
    if isinstance(found, list):
        return bool(found) and all(is_desired(item, desired) for item in found)
    return str(found) in desired


def shown(found: Json | Missing) -> str:
    """The value for a failure message."""
    return "None" if found is MISSING else str(found)
