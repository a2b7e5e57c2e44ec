"""Parameters and variables that AWS takes, but that contradict themselves or that nobody uses. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from engine.document import MISSING, Missing, Parameter, Path
from engine.expressions import CoercionError, coerce, references, render
from engine.lint.rule import Family, Found, note, warning
from engine.lint.subject import PLACE_HOLDER, Subject, has_reference, texts_in
from engine.parameters import RESOURCE_PATTERNS, native_type, supply
from engine.patterns import PatternError, compiled
from engine.references import SYSTEM_VALUES, WINDOW_PARAMETERS
from engine.shape import VARIABLE_TYPES, suggestion

LISTS: Final = ("StringList", "MapList")
SECRET: Final = re.compile(r"(?:password|passwd|secret|api_?key|private_?key|access_?token)$", re.IGNORECASE)
LONGEST_NAME: Final = 50
MOST_VARIABLE_ITEMS: Final = 200
"""Of a MapList variable; a StringList may have 50 items, a String 512 characters (User Guide, "variables")."""


def _check(subject: Subject) -> Iterator[Found]:
    document = subject.document
    used = frozenset(_used(subject))
    for name, parameter in document.parameters.items():
        path: Path = ("parameters", name)
        yield from _contradictions(parameter, path)
        yield from _default(parameter, path)
        if len(name) > LONGEST_NAME:
            text = f"a start cannot name a parameter of more than {LONGEST_NAME} characters"
            yield Found("PAR107", text, path)
        if name not in used:
            yield Found("PAR108", f'parameter "{name}" is used nowhere', path)
        if SECRET.search(name) and native_type(parameter.type) == "String":
            text = f'the value of "{name}" is kept and shown in plain text; hand over the name of a secret instead'
            yield Found("PAR109", text, path)
        yield from _default_references(parameter, subject, path)
    for name, variable in document.variables.items():
        place: Path = ("variables", name)
        if variable.type in VARIABLE_TYPES:
            yield from _variable_default(variable, place)
        if f"variable:{name}" not in used:
            yield Found("VAR103", f'variable "{name}" is read nowhere', place)
        yield from _default_references(variable, subject, place)


def _used(subject: Subject) -> Iterator[str]:
    """Names of parameters and `variable:Name` of variables that are referred to anywhere."""
    document = subject.document
    yield from (reference.text for reference in subject.references)
    yield from references(document.assume_role)
    for declared in (*document.parameters.values(), *document.variables.values()):
        if not isinstance(declared.default, Missing):
            yield from references(declared.default)


def _contradictions(parameter: Parameter, path: Path) -> Iterator[Found]:
    if parameter.allowed_pattern is not None:
        try:
            compiled(parameter.allowed_pattern)
        except PatternError as error:
            yield Found("PAR101", f"allowedPattern cannot be read, so no value will ever fit: {error}",
                        (*path, "allowedPattern"))  # fmt: skip
    for low, high, key in (
        (parameter.min_chars, parameter.max_chars, "maxChars"),
        (parameter.min_items, parameter.max_items, "maxItems"),
    ):
        if low is not None and high is not None and low > high:
            text = f"{key} {high} is less than {key.replace('max', 'min')} {low}: no value will ever fit"
            yield Found("PAR102", text, (*path, key))
    is_list = native_type(parameter.type) in LISTS
    for key, value, fits in (
        ("minItems", parameter.min_items, is_list),
        ("maxItems", parameter.max_items, is_list),
        ("minChars", parameter.min_chars, not is_list),
        ("maxChars", parameter.max_chars, not is_list),
    ):
        if value is not None and not fits:
            yield Found("PAR103", f"{key} has no meaning for a {parameter.type}", (*path, key))


def _default(parameter: Parameter, path: Path) -> Iterator[Found]:
    """A default that would be refused if somebody gave it."""
    default = parameter.default
    if default is MISSING or default is None or default in ("", [], {}) or has_reference(default):
        return
    if any("{{" in text or PLACE_HOLDER.search(text) for text in texts_in(default)):
        return
    try:
        supply(parameter, default)
    except ValueError as error:
        text = f"the default would be refused if it were given: {error}"
        code = "PAR105" if parameter.type in RESOURCE_PATTERNS else "PAR104"
        yield Found(code, text, (*path, "default"))


def _variable_default(variable: Parameter, path: Path) -> Iterator[Found]:
    default = variable.default
    if default is MISSING or default is None or has_reference(default):
        return
    try:
        coerce(default, variable.type)
    except CoercionError as error:
        yield Found("VAR101", f"the default does not fit: {error}", (*path, "default"))
        return
    if isinstance(default, list) and len(default) > (MOST_VARIABLE_ITEMS if variable.type == "MapList" else 50):
        yield Found("VAR102", f"a {variable.type} variable may not have {len(default)} items", (*path, "default"))
    if isinstance(default, str) and variable.type == "String" and len(render(default)) > 512:
        yield Found("VAR102", "a String variable may have at most 512 characters", (*path, "default"))


def _default_references(declared: Parameter, subject: Subject, path: Path) -> Iterator[Found]:
    """References in a default that refer to nothing; variables may refer to parameters, parameters to each other."""
    if isinstance(declared.default, Missing):
        return
    known = {*subject.document.parameters, *SYSTEM_VALUES, *WINDOW_PARAMETERS}
    for name in references(declared.default):
        if name not in known and not name.startswith("ssm:"):
            text = f'"{{{{ {name} }}}}" in the default refers to nothing and stays as it is.{suggestion(name, known)}'
            yield Found("PAR106", text, (*path, "default"))


FAMILY: Final = Family(
    "Parameters and variables",
    (
        warning("PAR101", "allowedPattern is no regular expression"),
        warning("PAR102", "the minimum is greater than the maximum"),
        warning("PAR103", "a constraint that has no meaning for the type"),
        warning("PAR104", "the default breaks the parameter's own rules"),
        warning("PAR105", "the default is no id, name or ARN of the resource that the type says"),
        warning("PAR106", "a reference in a default refers to nothing"),
        warning("PAR107", "the name of a parameter is too long for a start to give it"),
        note("PAR108", "a parameter is used nowhere"),
        warning("PAR109", "a secret is a parameter, which is kept in plain text", "Secrets Manager or a SecureString"),
        warning("VAR101", "the default of a variable does not fit its type"),
        warning("VAR102", "a variable is larger than SSM allows"),
        note("VAR103", "a variable is read nowhere"),
    ),
    _check,
)
