"""Parameters at the start of an execution: what was supplied, checked against what is declared. Pure.

Defaults are expanded once and never checked; supplied values are checked and never expanded.
Source: SSM API StartAutomationExecution and the User Guide's "Data elements and parameters".
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from engine.document import Document, Missing, Parameter
from engine.expressions import CoercionError, Scope, coerce, render, resolve
from engine.patterns import PatternError, matches
from engine.shape import suggestion
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json, canonical, encoded

RESOURCE_PATTERNS: Final[Mapping[str, str]] = {
    "AWS::EC2::Instance::Id": r"^m?i-([a-z0-9]{8}|[a-z0-9]{17})$",
    "AWS::S3::Bucket::Name": r"^[0-9a-z][a-z0-9\-\.]{3,63}$",
    "AWS::IAM::Role::Arn": r"^arn:(aws|aws-cn|aws-us-gov|aws-iso|aws-iso-b):iam::[0-9]{12}:role/.*$",
}
LARGEST_BYTES: Final = 65_536
LONGEST_SHOWN: Final = 100
SSM_REFERENCE: Final = re.compile(r"\{\{\s*ssm:([\w./:-]+)\s*\}\}", re.ASCII)


class ParametersInvalid(Exception):
    """The supplied parameters do not fit; `problems` maps each name to its sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


def bind(
    document: Document,
    supplied: Mapping[str, Json],
    *,
    system: Mapping[str, Json],
    parameter_store: Callable[[str], Json] | None = None,
) -> dict[str, Json]:
    """The value of every declared parameter that has one. Raises ParametersInvalid with all problems."""
    problems: dict[str, str] = {}
    values: dict[str, Json] = {}
    for name in supplied:
        if name not in document.parameters:
            problems[name] = _unknown(name, document)
    for name, parameter in document.parameters.items():
        if name in supplied and supplied[name] is not None:
            try:
                values[name] = supply(parameter, supplied[name])
            except ValueError as error:
                problems[name] = str(error)
        elif parameter.is_required:
            problems[name] = f"Missing required parameter: {name} in user inputs."
    if not problems and len(encoded(canonical(values))) > LARGEST_BYTES:
        problems[""] = "The parameters are larger than 64 KB."
    if problems:
        raise ParametersInvalid(problems)
    return _with_defaults(document, values, system, parameter_store)


def _unknown(name: str, document: Document) -> str:
    return f'Parameter "{name}" is not declared by {document.name}.{suggestion(name, document.parameters)}'


def _with_defaults(
    document: Document,
    values: Mapping[str, Json],
    system: Mapping[str, Json],
    parameter_store: Callable[[str], Json] | None,
) -> dict[str, Json]:
    """Defaults are expanded once, over what was supplied and the other defaults as they are written."""
    plain = {name: each.default for name, each in document.parameters.items() if not isinstance(each.default, Missing)}
    scope = Scope(parameters={**plain, **values}, system=system)
    bound: dict[str, Json] = {}
    problems: dict[str, str] = {}
    for name, parameter in document.parameters.items():
        if name in values:
            bound[name] = values[name]
        elif not isinstance(parameter.default, Missing):
            try:
                bound[name] = _default(parameter.default, parameter.type, scope, parameter_store)
            except (AwsRefused, AwsUnreachable) as error:
                problems[name] = f'The default of parameter "{name}" cannot be read from Parameter Store: {error}'
    if problems:
        raise ParametersInvalid(problems)
    return bound


def _default(default: Json, type_: str, scope: Scope, parameter_store: Callable[[str], Json] | None) -> Json:
    stored = _from_store(default, parameter_store) if parameter_store is not None else default
    expanded = stored if stored is not default else resolve(default, scope)
    return None if isinstance(expanded, Missing) else _leniently(expanded, type_)


def _from_store(default: Json, parameter_store: Callable[[str], Json]) -> Json:
    """The default with its {{ssm:…}} replaced; the very same object when there is none."""
    if isinstance(default, list):
        items = [_from_store(item, parameter_store) for item in default]
        is_changed = any(new is not old for new, old in zip(items, default, strict=True))
        return items if is_changed else default
    if not isinstance(default, str):
        return default
    whole = SSM_REFERENCE.fullmatch(default.strip())
    if whole is not None:
        return parameter_store(whole[1])
    if SSM_REFERENCE.search(default) is None:
        return default
    return SSM_REFERENCE.sub(lambda match: render(parameter_store(match[1])), default)


def _leniently(value: Json, type_: str) -> Json:
    """A default as its type where that is possible: AWS never checks defaults at the start."""
    try:
        return coerce(value, native_type(type_))
    except CoercionError:
        return value


def native_type(type_: str) -> str:
    """String or StringList for the resource types, the type itself otherwise."""
    if type_.startswith("List<"):
        return "StringList"
    return "String" if type_.startswith("AWS::") else type_


def supply(parameter: Parameter, raw: Json) -> Json:
    """One supplied value (native, or a list of strings as the API takes it). Raises ValueError with a sentence."""
    value = _decoded(parameter, raw)
    elements = value if isinstance(value, list) else [value]
    texts = [render(element) for element in elements]
    if parameter.allowed_values:
        allowed = [render(each) for each in parameter.allowed_values]
        whole = render(value)
        for text in texts if whole not in allowed else []:
            if text not in allowed:
                raise ValueError(
                    f'Parameter "{parameter.name}" has value "{text}" not found in [{", ".join(allowed)}].'
                )
    _check_patterns(parameter, texts)
    _check_sizes(parameter, value)
    return value


def _decoded(parameter: Parameter, raw: Json) -> Json:
    type_ = native_type(parameter.type)
    error = f"Parameter type error. The value supplied for {parameter.name} is not a valid {_article(type_)}."
    if type_ in ("String", "Integer", "Boolean", "StringMap") and isinstance(raw, list):
        if len(raw) != 1:
            raise ValueError(error)
        raw = raw[0]
    if type_ == "String" and not isinstance(raw, str):
        if isinstance(raw, (dict, list)) or raw is None:
            raise ValueError(error)
        return render(raw)
    if type_ == "StringList":
        items = raw if isinstance(raw, list) else [raw]
        if any(isinstance(item, (dict, list)) for item in items):
            raise ValueError(error)
        return [render(item) for item in items]
    if type_ == "MapList" and isinstance(raw, list) and len(raw) == 1 and isinstance(raw[0], str):
        raw = raw[0]
    try:
        value = coerce(raw, type_)
    except CoercionError as cause:
        raise ValueError(error) from cause
    if value is None:
        raise ValueError(error)
    return value


def _article(type_: str) -> str:
    return {"String": "string", "StringList": "list of strings", "Integer": "integer", "Boolean": "boolean"}.get(
        type_, {"StringMap": "map", "MapList": "list of maps"}.get(type_, type_)
    )


def _check_patterns(parameter: Parameter, texts: list[str]) -> None:
    element_type = parameter.type.removeprefix("List<").removesuffix(">")
    for text in texts:
        if element_type in RESOURCE_PATTERNS and text and not matches(RESOURCE_PATTERNS[element_type], text):
            raise _unfit(parameter, text, f"which is not a valid {element_type}")
        if parameter.allowed_pattern is not None and not _is_allowed(parameter, text):
            raise _unfit(parameter, text, f"which does not match the pattern {parameter.allowed_pattern}")


def _is_allowed(parameter: Parameter, text: str) -> bool:
    try:
        return matches(parameter.allowed_pattern or "", text)
    except PatternError as error:
        raise ValueError(f'Parameter "{parameter.name}" cannot be checked: {error}.') from error


def _unfit(parameter: Parameter, text: str, why: str) -> ValueError:
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return ValueError(f'Parameter "{parameter.name}" has value "{shown}", {why}.')


def _check_sizes(parameter: Parameter, value: Json) -> None:
    if isinstance(value, list):
        size, low, high, unit = len(value), parameter.min_items, parameter.max_items, "items"
    else:
        size, low, high, unit = len(render(value)), parameter.min_chars, parameter.max_chars, "characters"
    if low is not None and size < low:
        raise ValueError(f'Parameter "{parameter.name}" must have at least {low} {unit}; it has {size}.')
    if high is not None and size > high:
        raise ValueError(f'Parameter "{parameter.name}" may have at most {high} {unit}; it has {size}.')


def initial_variables(
    document: Document, parameters: Mapping[str, Json], *, system: Mapping[str, Json]
) -> dict[str, Json]:
    """The declared variables with their defaults, which may refer to parameters and system values."""
    scope = Scope(parameters=parameters, system=system)
    values: dict[str, Json] = {}
    for name, variable in document.variables.items():
        if isinstance(variable.default, Missing):
            continue
        value = resolve(variable.default, scope)
        values[name] = None if isinstance(value, Missing) else _leniently(value, variable.type)
    return values
