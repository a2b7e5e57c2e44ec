"""A text that matches a regular expression: the shortest that is easily found."""

import re
from importlib import import_module
from typing import Any, Final

constants: Any = import_module("re._constants")
parser: Any = import_module("re._parser")

ANY: Final = "a"
_CATEGORIES: Final = {
    constants.CATEGORY_DIGIT: "1",
    constants.CATEGORY_SPACE: " ",
    constants.CATEGORY_WORD: "a",
    constants.CATEGORY_NOT_DIGIT: "a",
    constants.CATEGORY_NOT_SPACE: "a",
    constants.CATEGORY_NOT_WORD: "-",
}


def example(pattern: str) -> str | None:
    """A text for the pattern; None where it cannot be read by Python, or was not found."""
    try:
        text = _sequence(parser.parse(pattern))
        return text if re.fullmatch(pattern, text) else None
    except (re.error, RecursionError, NotImplementedError, OverflowError):
        return None


def _sequence(items: Any) -> str:
    return "".join(_one(operator, argument) for operator, argument in items)


def _one(operator: Any, argument: Any) -> str:
    if operator is constants.LITERAL:
        return chr(argument)
    if operator in (constants.ANY, constants.NOT_LITERAL):
        return ANY if argument != ord(ANY) else "b"
    if operator is constants.IN:
        return _member(argument)
    if operator in (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT):
        least, most, inner = argument
        return _sequence(inner) * int(min(max(least, 1), most))
    if operator is constants.BRANCH:
        return max((_sequence(branch) for branch in argument[1]), key=bool)
    if operator is constants.SUBPATTERN:
        return _sequence(argument[3])
    if operator in (constants.AT, constants.ASSERT, constants.ASSERT_NOT):
        return ""
    raise NotImplementedError(operator)


def _member(choices: Any) -> str:
    if choices[0][0] is constants.NEGATE:
        refused = [argument for operator, argument in choices if operator is constants.LITERAL]
        return next(letter for letter in "ab1-" if ord(letter) not in refused)
    operator, argument = choices[0]
    if operator is constants.RANGE:
        return chr(argument[0])
    if operator is constants.CATEGORY:
        return str(_CATEGORIES[argument])
    return _one(operator, argument)
