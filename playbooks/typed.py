"""Text that a person typed, as the value a runbook parameter wants. Pure."""

import json
from collections.abc import Iterable, Mapping

from engine.document import Parameter
from infra.canonical import Json


def typed_values(parameters: Iterable[Parameter], given: Mapping[str, str]) -> dict[str, Json]:
    """Each text by its parameter's type: lists split at commas, JSON for lists and maps, the rest as it stands.

    Names that are not declared stay in, so that the engine can name them and what was probably meant.
    """
    types = {parameter.name: parameter.type for parameter in parameters}
    return {name: _typed(types.get(name, "String"), text) for name, text in given.items()}


def _typed(type_: str, text: str) -> Json:
    if type_ in ("StringMap", "MapList") or (text.startswith("[") and _is_list(type_)):
        try:
            value: Json = json.loads(text)
        except ValueError:
            return text
        return value
    if _is_list(type_):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _is_list(type_: str) -> bool:
    return type_ == "StringList" or type_.startswith("List<")
