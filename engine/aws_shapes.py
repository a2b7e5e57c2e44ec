"""Whether values fit AWS's model of an operation: names and kinds of its members, as botocore knows them. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from engine.shape import suggestion


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_KINDS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "string": (lambda value: isinstance(value, str), "a text"),
    "integer": (lambda value: _is_number(value) and isinstance(value, int), "a whole number"),
    "long": (lambda value: _is_number(value) and isinstance(value, int), "a whole number"),
    "float": (_is_number, "a number"),
    "double": (_is_number, "a number"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
}


def unfit(value: Any, shape: Any, *, is_complete: bool = False) -> Iterator[str]:
    """What in a call's parameters or its answer does not fit; `is_complete` asks for required members, too."""
    if shape is None:
        for key in value:
            yield f"{key} is not known to AWS: the operation has no members"
        return
    yield from _Fitting(is_complete=is_complete).check(value, shape, "")


class _Fitting:
    """One walk along a shape."""

    def __init__(self, *, is_complete: bool) -> None:
        self._is_complete = is_complete

    def check(self, value: Any, shape: Any, place: str) -> Iterator[str]:
        """Every misfit at or below a place."""
        match shape.type_name:
            case "structure":
                yield from self._structure(value, shape, place)
            case "list":
                if not isinstance(value, (list, tuple)):
                    yield f"{place} should be a list"
                    return
                for index, item in enumerate(value):
                    yield from self.check(item, shape.member, f"{place}[{index}]")
            case "map":
                if not isinstance(value, Mapping):
                    yield f"{place} should be a map"
                    return
                for key, item in value.items():
                    yield from self.check(item, shape.value, f"{place}.{key}")
            case kind if kind in _KINDS and not _KINDS[kind][0](value):
                yield f"{place} should be {_KINDS[kind][1]}"

    def _structure(self, value: Any, shape: Any, place: str) -> Iterator[str]:
        if getattr(shape, "is_document_type", False):
            return
        if not isinstance(value, Mapping):
            yield f"{place or 'it'} should be a map"
            return
        for key, item in value.items():
            inner = f"{place}.{key}" if place else str(key)
            if key not in shape.members:
                yield f"{inner} is not known to AWS.{suggestion(str(key), shape.members)}"
            else:
                yield from self.check(item, shape.members[key], inner)
        for name in shape.required_members if self._is_complete else ():
            if name not in value:
                yield f"{place}{'.' if place else ''}{name} is missing"
