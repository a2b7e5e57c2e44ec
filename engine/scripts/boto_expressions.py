"""What the expressions of a script may be, as far as boto3 is concerned, and which calls of AWS they make. Pure.

Nothing is run. What is known grows from pass to pass (engine/scripts/boto_walk.py) and never shrinks.
"""

import ast
import itertools
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from engine.scripts.boto_values import NOTHING, UNKNOWN, Kind, Value, Values, attribute, item, made, presigned, result

MOST_VALUES: Final = 200
"""Of one name. More are forgotten, so that no script can make this slow."""
Functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
KEYS: Final = frozenset({"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "profile_name",
                         "botocore_session"})  # fmt: skip
HOLDERS: Final = frozenset({"get", "pop", "setdefault", "popitem", "popleft"})
GROWS: Final = frozenset({"append", "add", "extend", "update", "insert", "appendleft", "setdefault"})
SAME: Final = frozenset({"values", "items", "copy", "keys", "union"})
WRAPPERS: Final = frozenset({"list", "tuple", "set", "sorted", "reversed", "iter", "enumerate", "zip", "dict", "next",
                             "filter"})  # fmt: skip


@dataclass
class Scope:
    """The names of a module, a function or a class."""

    parent: "Scope | None"
    names: dict[str, set[Value]] = field(default_factory=lambda: defaultdict(set))
    outer: set[str] = field(default_factory=set)
    """Names that `global` or `nonlocal` send outwards."""


class Expressions(ABC):
    """Expressions, given what is known so far."""

    def __init__(self) -> None:
        self._module = Scope(None)
        self._scopes: dict[int, Scope] = {}
        self._nodes: dict[int, Functions | ast.ClassDef] = {}
        self._returned: dict[int, set[Value]] = defaultdict(set)
        self._boxes: dict[int, set[Value]] = defaultdict(set)
        self._attributes: dict[tuple[int, str], set[Value]] = defaultdict(set)
        self._has_learnt = False
        self._calls: dict[tuple[int, int], set[Value]] = defaultdict(set)

    # -- what is learnt

    def _learn(self, known: set[Value], values: Iterable[Value]) -> None:
        new = set(values) - known
        if new and len(known) < MOST_VALUES:
            known |= new
            self._has_learnt = True

    def _record(self, value: Value, node: ast.AST) -> None:
        place = (getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1)
        self._calls[place].add(value)

    def _home(self, scope: Scope, name: str) -> Scope:
        return self._module if name in scope.outer else scope

    def _lookup(self, scope: Scope, name: str) -> Values:
        current: Scope | None = self._home(scope, name)
        while current is not None:
            if name in current.names:
                return frozenset(current.names[name])
            current = current.parent
        return NOTHING

    @abstractmethod
    def _function(self, node: Functions, scope: Scope, owner: int = 0) -> Value:
        """Read a function and its body."""

    @abstractmethod
    def _parts(self, node: ast.AST, scope: Scope) -> None:
        """Read whatever stands inside a node of no special meaning."""

    # -- assignments

    def _assign(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        if (
            isinstance(target, (ast.Tuple, ast.List))
            and isinstance(value, (ast.Tuple, ast.List))
            and len(target.elts) == len(value.elts)
        ):
            for each, inner in zip(target.elts, value.elts, strict=True):
                self._assign(each, inner, scope)
            return
        self._bind(target, self._value(value, scope), scope)

    def _bind(self, target: ast.expr, values: Values, scope: Scope) -> None:
        match target:
            case ast.Name():
                home = self._home(scope, target.id)
                self._learn(home.names[target.id], values)
            case ast.Tuple() | ast.List():
                for each in target.elts:
                    self._bind(each, self._items(values) | values, scope)
            case ast.Starred():
                self._bind(target.value, values, scope)
            case ast.Attribute():
                for owner in self._value(target.value, scope):
                    if owner.kind in (Kind.INSTANCE, Kind.CLASS):
                        self._learn(self._attributes[owner.node, target.attr], values)
            case ast.Subscript():
                for owner in self._value(target.value, scope):
                    if owner.kind is Kind.BOX:
                        self._learn(self._boxes[owner.node], values)

    def _items(self, values: Values) -> Values:
        """What iterating over the values may give; a collection is read by that."""
        found: set[Value] = set()
        for value in values:
            if value.kind is Kind.BOX:
                found |= self._boxes[value.node]
            inner = item(value)
            if inner is not None:
                found.add(inner)
        return frozenset(found)

    # -- expressions

    def _value(self, node: ast.expr | None, scope: Scope) -> Values:
        match node:
            case None:
                return NOTHING
            case ast.Constant():
                return frozenset({Value(Kind.TEXT, node.value)}) if isinstance(node.value, str) else NOTHING
            case ast.Name():
                return self._lookup(scope, node.id)
            case ast.Attribute():
                return self._attribute(self._value(node.value, scope), node.attr, node)
            case ast.Call():
                return self._call(node, scope)
            case ast.Lambda():
                return frozenset({self._function(node, scope)})
            case ast.BoolOp() | ast.IfExp():
                parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
                self._value(None if isinstance(node, ast.BoolOp) else node.test, scope)
                return frozenset().union(*(self._value(each, scope) for each in parts))
            case ast.NamedExpr():
                values = self._value(node.value, scope)
                self._bind(node.target, values, scope)
                return values
            case ast.Await() | ast.Starred():
                return self._value(node.value, scope)
            case ast.Subscript():
                self._value(node.slice, scope)
                return self._items(self._value(node.value, scope))
            case ast.BinOp() | ast.JoinedStr():
                return self._text(node, scope)
            case _:
                return self._container(node, scope)

    def _container(self, node: ast.expr, scope: Scope) -> Values:
        match node:
            case ast.List() | ast.Tuple() | ast.Set():
                inside = [self._value(each, scope) for each in node.elts]
            case ast.Dict():
                keys = [self._value(each, scope) for each in node.keys if each is not None]
                inside = [*keys, *(self._value(each, scope) for each in node.values)]
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                for part in node.generators:
                    self._bind(part.target, self._items(self._value(part.iter, scope)), scope)
                    for condition in part.ifs:
                        self._value(condition, scope)
                parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
                inside = [self._value(each, scope) for each in parts]
            case _:
                self._parts(node, scope)
                return NOTHING
        self._learn(self._boxes[id(node)], frozenset().union(*inside))
        return frozenset({Value(Kind.BOX, node=id(node))})

    def _text(self, node: ast.BinOp | ast.JoinedStr, scope: Scope) -> Values:
        """Texts put together of parts that are all known."""
        if isinstance(node, ast.BinOp):
            parts = [self._value(node.left, scope), self._value(node.right, scope)]
            if not isinstance(node.op, ast.Add):
                return NOTHING
        else:
            parts = [
                self._value(each.value if isinstance(each, ast.FormattedValue) else each, scope) for each in node.values
            ]
        texts = [[value.name for value in part if value.kind is Kind.TEXT] for part in parts]
        joined = itertools.islice(itertools.product(*texts), 50)
        boxes = frozenset(value for part in parts for value in part if value.kind is Kind.BOX)
        return frozenset(Value(Kind.TEXT, "".join(each)) for each in joined) | boxes

    def _attribute(self, values: Values, name: str, node: ast.AST) -> Values:
        found: set[Value] = set()
        for value in values:
            if value.kind in (Kind.INSTANCE, Kind.CLASS):
                found |= self._attributes[value.node, name]
            inner = attribute(value, name)
            if inner is None:
                continue
            if inner.kind is Kind.RESOURCE_METHOD and not inner.name:
                self._record(inner, node)
            elif inner.kind is Kind.RESOURCE_METHOD and inner.type and not inner.operations and name[:1].islower():
                found.add(Value(Kind.RESOURCE, service=inner.service, type=inner.type, is_foreign=inner.is_foreign))
            else:
                found.add(inner)
        return frozenset(found)

    # -- calls

    def _call(self, node: ast.Call, scope: Scope) -> Values:
        given = [self._value(each, scope) for each in node.args]
        named = {each.arg: self._value(each.value, scope) for each in node.keywords}
        if isinstance(node.func, ast.Name) and not self._lookup(scope, node.func.id):
            return self._builtin(node, given, named)
        owners: Values = NOTHING
        if isinstance(node.func, ast.Attribute):
            owners = self._value(node.func.value, scope)
            callees = self._attribute(owners, node.func.attr, node.func)
        else:
            callees = self._value(node.func, scope)
        found: set[Value] = set()
        for callee in callees:
            found |= self._called(callee, node, given, named)
        if not callees:
            found |= self._on_box(owners, node, given)
            self._handed_on(node, given, named)
        return frozenset(found)

    def _called(self, callee: Value, node: ast.Call, given: list[Values], named: dict[str | None, Values]) -> Values:
        texts = _texts(given[0] if given else next(iter(named.values()), NOTHING))
        match callee.kind:
            case Kind.FACTORY:
                return self._made(callee, node, given, named)
            case Kind.FUNCTION:
                return self._enter(callee, given, named)
            case Kind.CLASS:
                for method in list(self._attributes[callee.node, "__init__"]):
                    if method.kind is Kind.FUNCTION:
                        self._enter(method, given, named)
                return frozenset({Value(Kind.INSTANCE, node=callee.node)})
            case Kind.METHOD:
                self._invoked(callee, node, texts)
                self._handed_on(node, given, named)
                return frozenset(result(callee, texts))
            case Kind.RESOURCE_METHOD:
                if callee.operations:
                    self._record(callee, node.func)
                return frozenset(result(callee, texts))
        return NOTHING

    def _invoked(self, method: Value, node: ast.Call, texts: tuple[str, ...]) -> None:
        if method.name in ("get_paginator", "get_waiter"):
            if not texts:
                self._record(Value(Kind.METHOD, method.name, method.service, is_foreign=method.is_foreign), node.func)
            return
        if method.name.startswith("generate_presigned"):
            operations = presigned(method, texts)
            method = Value(Kind.METHOD, method.name, method.service, "", operations, is_foreign=method.is_foreign)
        self._record(method, node.func)

    def _made(self, factory: Value, node: ast.Call, given: list[Values], named: dict[str | None, Values]) -> Values:
        keys = {each.arg for each in node.keywords}
        is_foreign = factory.is_foreign or bool(keys & KEYS)
        if factory.name == "Session":
            return frozenset({Value(Kind.SESSION, is_foreign=is_foreign or bool(node.args))})
        services = _texts(given[0] if given else named.get("service_name", NOTHING)) or (UNKNOWN,)
        found = [made(factory.name, service, is_foreign=is_foreign) for service in services]
        return frozenset(value for value in found if value is not None)

    def _enter(self, function: Value, given: list[Values], named: dict[str | None, Values]) -> Values:
        node = self._nodes[function.node]
        if isinstance(node, ast.ClassDef):
            return NOTHING
        scope = self._scopes[function.node]
        names = parameters(node)
        is_method = function.owner and not any(
            is_named(each, "staticmethod") for each in getattr(node, "decorator_list", ())
        )
        for name, values in zip(names[1 if is_method else 0 :], given, strict=False):
            self._learn(scope.names[name], values)
        for key, values in named.items():
            if key in scope.names:
                self._learn(scope.names[key], values)
        if node.args.vararg is not None:
            self._learn(self._boxes[id(node.args)], frozenset().union(*given))
            self._learn(scope.names[node.args.vararg.arg], [Value(Kind.BOX, node=id(node.args))])
        return frozenset(self._returned[id(scope)])

    def _builtin(self, node: ast.Call, given: list[Values], named: dict[str | None, Values]) -> Values:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "getattr" and len(given) > 1:
            texts = _texts(given[1])
            found = frozenset().union(*(self._attribute(given[0], text, node) for text in texts))
            clients = [value for value in given[0] if value.kind is Kind.CLIENT]
            if texts:
                return found
            return frozenset(Value(Kind.METHOD, "", each.service, is_foreign=each.is_foreign) for each in clients)
        if name in WRAPPERS:
            return frozenset().union(*given)
        self._handed_on(node, given, named)
        return NOTHING

    def _on_box(self, owners: Values, node: ast.Call, given: list[Values]) -> Values:
        """A method of a list or dictionary."""
        if not isinstance(node.func, ast.Attribute):
            return NOTHING
        found: set[Value] = set()
        for box in owners:
            if box.kind is not Kind.BOX:
                continue
            if node.func.attr in GROWS:
                for values in given:
                    self._learn(self._boxes[box.node], values | self._items(values))
            if node.func.attr in HOLDERS:
                found |= self._boxes[box.node]
                found |= frozenset().union(*given[1:])
            if node.func.attr in SAME:
                found.add(box)
        return frozenset(found)

    def _handed_on(self, node: ast.Call, given: list[Values], named: dict[str | None, Values]) -> None:
        """Functions that are given to something unknown (`pool.submit(stop, ec2)`) are called by it."""
        everything = [*given, *named.values()]
        for values in everything:
            for value in values:
                if value.kind is Kind.METHOD:
                    self._invoked(value, node, ())
                elif value.kind is Kind.RESOURCE_METHOD and value.operations:
                    self._record(value, node)
                elif value.kind is Kind.FUNCTION:
                    rest = [each | self._items(each) for each in given if value not in each]
                    self._enter(value, rest, named)


def parameters(node: Functions) -> list[str]:
    """The names of a function's parameters, in order."""
    arguments = node.args
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def is_named(node: ast.expr, name: str) -> bool:
    """Whether a decorator is that plain name."""
    return isinstance(node, ast.Name) and node.id == name


def _texts(values: Values) -> tuple[str, ...]:
    return tuple(sorted(value.name for value in values if value.kind is Kind.TEXT))
