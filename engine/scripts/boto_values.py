"""What a name in a script may stand for, as far as boto3 is concerned, and what its attributes and calls give. Pure."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from infra.aws_errors import AwsRefused
from infra.aws_models import known_operation, method_name, operation_names, service_name
from infra.aws_resources import (
    CLIENT_INJECTED,
    batch_actions,
    is_resource,
    members,
    resource_waiter,
    waiting_operation,
)

UNKNOWN: Final = "?"
"""A service that only the running script knows."""


class Kind(StrEnum):
    """What a value is."""

    TEXT = "text"
    BOTO3 = "boto3"
    FACTORY = "factory"
    """`boto3.client`, `boto3.resource`, `boto3.Session` themselves; `name` says which."""
    SESSION = "session"
    CLIENT = "client"
    METHOD = "method"
    """A client's method, not yet called."""
    PAGINATOR = "paginator"
    WAITER = "waiter"
    RESOURCE = "resource"
    COLLECTION = "collection"
    RESOURCE_METHOD = "resource method"
    FUNCTION = "function"
    CLASS = "class"
    INSTANCE = "instance"
    BOX = "box"
    """A list, tuple, set or dictionary of the script."""


@dataclass(frozen=True, slots=True)
class Value:
    """One thing that an expression may be."""

    kind: Kind
    name: str = ""
    service: str = ""
    type: str = ""
    operations: tuple[str, ...] = ()
    node: int = 0
    """Which function, class or box of the script."""
    owner: int = 0
    """The instance's class, of a method of the script."""
    is_foreign: bool = False
    """Whether it acts with other credentials than the script's own."""


Values = frozenset[Value]
NOTHING: Final[Values] = frozenset()
PLAIN_METHODS: Final = frozenset({"can_paginate", "close", "meta", "exceptions", "waiter_names"})
"""Of a client: no operations."""


def made(factory: str, service: str, *, is_foreign: bool) -> Value | None:
    """What `boto3.client("…")` or `boto3.resource("…")` gives; None where there is no such service."""
    if service == UNKNOWN or "{{" in service:
        return Value(Kind.CLIENT if factory == "client" else Kind.RESOURCE, service=UNKNOWN, is_foreign=is_foreign)
    try:
        name = service_name(service)
    except AwsRefused:
        return None
    if factory == "resource":
        return Value(Kind.RESOURCE, service=name, is_foreign=is_foreign) if is_resource(name) else None
    return Value(Kind.CLIENT, service=name, is_foreign=is_foreign)


def attribute(value: Value, name: str) -> Value | None:
    """What `value.name` is, where that matters."""
    match value.kind:
        case Kind.BOTO3:
            return _of_boto3(name)
        case Kind.SESSION:
            factory = Value(Kind.FACTORY, name, is_foreign=value.is_foreign)
            return factory if name in ("client", "resource") else None
        case Kind.CLIENT:
            return _of_client(value, name)
        case Kind.PAGINATOR if name in ("paginate", "build_full_result"):
            return _method(value, name, value.operations)
        case Kind.WAITER if name == "wait":
            return _method(value, name, value.operations)
        case Kind.RESOURCE:
            return _of_resource(value, name)
        case Kind.COLLECTION:
            return _of_collection(value, name)
    return None


def _of_boto3(name: str) -> Value | None:
    if name in ("client", "resource", "Session"):
        return Value(Kind.FACTORY, name)
    return Value(Kind.BOTO3, name) if name == "session" else None


def _method(value: Value, name: str, operations: tuple[str, ...]) -> Value:
    return Value(Kind.METHOD, name, value.service, operations=operations, is_foreign=value.is_foreign)


def _of_client(client: Value, name: str) -> Value | None:
    if name.startswith("_") or name in PLAIN_METHODS:
        return None
    if client.service == UNKNOWN or name in ("get_paginator", "get_waiter") or name.startswith("generate_presigned"):
        return _method(client, name, ())
    injected = CLIENT_INJECTED.get(client.service, {}).get(name)
    if injected is not None:
        return _method(client, name, injected)
    return _method(client, name, _operation(client.service, name))


def _of_resource(resource: Value, name: str) -> Value | None:
    if resource.service == UNKNOWN:
        return None
    if name == "meta":
        return Value(Kind.RESOURCE, service=resource.service, type="meta", is_foreign=resource.is_foreign)
    if resource.type == "meta":
        client = Value(Kind.CLIENT, service=resource.service, is_foreign=resource.is_foreign)
        return client if name == "client" else None
    member = members(resource.service, resource.type).get(name)
    if member is None:
        waiting = resource_waiter(resource.service, resource.type, name)
        return _resource_method(resource, name, (waiting,)) if waiting else None
    if member.is_collection:
        return Value(
            Kind.COLLECTION, name, resource.service, member.type, member.operations, is_foreign=resource.is_foreign
        )
    return _resource_method(resource, "" if member.is_read else name, member.operations, member.type)


def _resource_method(value: Value, name: str, operations: tuple[str, ...], type_: str = "") -> Value:
    return Value(Kind.RESOURCE_METHOD, name, value.service, type_, operations, is_foreign=value.is_foreign)


def _of_collection(collection: Value, name: str) -> Value | None:
    if name in ("all", "filter", "limit", "page_size", "pages"):
        return Value(
            Kind.RESOURCE_METHOD, "collection", collection.service, collection.type, collection.operations,
            is_foreign=collection.is_foreign,
        )  # fmt: skip
    operation = batch_actions(collection.service, collection.type).get(name)
    return _resource_method(collection, name, (*collection.operations, operation)) if operation else None


def item(value: Value) -> Value | None:
    """What iterating over a value gives, where that matters."""
    if value.kind is Kind.COLLECTION:
        return Value(Kind.RESOURCE, service=value.service, type=value.type, is_foreign=value.is_foreign)
    return None


def result(method: Value, texts: tuple[str, ...]) -> Iterator[Value]:
    """What calling a method gives, where that matters; `texts` are what its first argument may be."""
    if method.kind is Kind.RESOURCE_METHOD and method.type:
        kind = Kind.COLLECTION if method.name == "collection" else Kind.RESOURCE
        operations = method.operations if kind is Kind.COLLECTION else ()
        yield Value(kind, method.name, method.service, method.type, operations, is_foreign=method.is_foreign)
    if method.kind is not Kind.METHOD:
        return
    for text in texts if method.service != UNKNOWN else ():
        if method.name == "get_paginator":
            yield Value(Kind.PAGINATOR, text, method.service, operations=_operation(method.service, text),
                        is_foreign=method.is_foreign)  # fmt: skip
        elif method.name == "get_waiter":
            found = waiting_operation(method.service, text)
            yield Value(Kind.WAITER, text, method.service, operations=(found,) if found else (),
                        is_foreign=method.is_foreign)  # fmt: skip
    if method.name in ("get_paginator", "get_waiter") and method.service == UNKNOWN:
        kind = Kind.PAGINATOR if method.name == "get_paginator" else Kind.WAITER
        yield Value(kind, service=UNKNOWN, is_foreign=method.is_foreign)


def _operation(service: str, spelling: str) -> tuple[str, ...]:
    found = known_operation(service, spelling)
    return (found,) if found else ()


def presigned(method: Value, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The operations that a presigned URL allows to others, and the signer must be allowed."""
    if method.name == "generate_presigned_post":
        return ("PutObject",) if method.service == "s3" else ()
    return tuple(operation for text in texts for operation in _operation(method.service, text))


@functools.lru_cache(maxsize=32)
def methods_of(service: str) -> tuple[str, ...]:
    """A client's methods, as Python spells them."""
    return tuple(method_name(name) for name in operation_names(service))
