"""Reading a script for its AWS calls: what every name may be, followed through assignments, calls and containers. Pure.

Branches count as all taken and the order of statements does not count, so what is found is at least what the script
can call; what only the running script knows (a service named in its input) is said to be unknown.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from engine.scripts.boto_expressions import Expressions, Functions, Scope, is_named, parameters
from engine.scripts.boto_values import Kind, Value, attribute

MOST_PASSES: Final = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """One call of AWS in a script. `operation` is "" where only the running script knows it."""

    service: str
    operation: str
    method: str
    line: int
    column: int
    is_foreign: bool = False


class Walk(Expressions):
    """One script, read until nothing new is learnt."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__()
        self._tree = tree

    def read(self) -> tuple[Seen, ...]:
        """Every call that the script can make, in order."""
        for _ in range(MOST_PASSES):
            self._has_learnt = False
            self._block(self._tree.body, self._module)
            if not self._has_learnt:
                break
        return tuple(sorted(self._found(), key=lambda call: (call.line, call.column, call.service, call.operation)))

    def _found(self) -> Iterable[Seen]:
        for (line, column), values in self._calls.items():
            known = [value for value in values if value.operations]
            for value in known or values:
                for operation in value.operations or ("",):
                    yield Seen(value.service, operation, value.name, line, column, value.is_foreign)

    # -- statements

    def _block(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        for statement in body:
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: Scope) -> None:
        match node:
            case ast.Import() | ast.ImportFrom():
                self._import(node, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._learn(scope.names[node.name], [self._function(node, scope)])
            case ast.ClassDef():
                self._class(node, scope)
            case ast.Global() | ast.Nonlocal():
                scope.outer.update(node.names)
            case ast.Assign():
                for target in node.targets:
                    self._assign(target, node.value, scope)
            case ast.AnnAssign() | ast.AugAssign() if node.value is not None:
                self._assign(node.target, node.value, scope)
            case ast.For() | ast.AsyncFor():
                self._bind(node.target, self._items(self._value(node.iter, scope)), scope)
                self._block([*node.body, *node.orelse], scope)
            case ast.Return():
                self._learn(self._returned[id(scope)], self._value(node.value, scope))
            case _:
                self._parts(node, scope)

    def _parts(self, node: ast.AST, scope: Scope) -> None:
        """Whatever stands inside a statement of no special meaning."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self._statement(child, scope)
            elif isinstance(child, ast.expr):
                self._value(child, scope)
            elif isinstance(child, ast.withitem):
                values = self._value(child.context_expr, scope)
                if child.optional_vars is not None:
                    self._bind(child.optional_vars, values, scope)
            else:
                self._parts(child, scope)

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                top = alias.name.partition(".")[0]
                value = Value(Kind.BOTO3) if top == "boto3" else None
                name = alias.asname or top
            else:
                name = alias.asname or alias.name
                home = Value(Kind.BOTO3) if node.module in ("boto3", "boto3.session") else None
                value = attribute(home, alias.name) if home else None
            if value is not None:
                self._learn(scope.names[name], [value])

    def _function(self, node: Functions, scope: Scope, owner: int = 0) -> Value:
        inner = self._scopes.setdefault(id(node), Scope(scope))
        self._nodes[id(node)] = node
        arguments = node.args
        defaults = dict(
            zip(
                [a.arg for a in (*arguments.posonlyargs, *arguments.args)][::-1], arguments.defaults[::-1], strict=False
            )
        )
        defaults |= {
            a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None
        }
        for name in parameters(node):
            inner.names.setdefault(name, set())
        for name, default in defaults.items():
            self._learn(inner.names[name], self._value(default, scope))
        if isinstance(node, ast.Lambda):
            self._learn(self._returned[id(inner)], self._value(node.body, inner))
        else:
            for decorator in node.decorator_list:
                self._value(decorator, scope)
            self._block(node.body, inner)
        return Value(Kind.FUNCTION, node=id(node), owner=owner)

    def _class(self, node: ast.ClassDef, scope: Scope) -> None:
        self._nodes[id(node)] = node
        inner = self._scopes.setdefault(id(node), Scope(scope))
        for statement in node.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                method = self._function(statement, scope, id(node))
                self._learn(self._attributes[id(node), statement.name], [method])
                names = parameters(statement)
                if names and not any(is_named(d, "staticmethod") for d in statement.decorator_list):
                    is_class = any(is_named(d, "classmethod") for d in statement.decorator_list)
                    me = Value(Kind.CLASS if is_class else Kind.INSTANCE, node=id(node))
                    self._learn(self._scopes[id(statement)].names[names[0]], [me])
            else:
                self._statement(statement, inner)
        for name, values in inner.names.items():
            self._learn(self._attributes[id(node), name], values)
        for base in node.bases:
            for value in self._value(base, scope):
                for (owner, name), values in list(self._attributes.items()):
                    if value.kind is Kind.CLASS and owner == value.node and owner != id(node):
                        self._learn(self._attributes[id(node), name], values)
        self._learn(scope.names[node.name], [Value(Kind.CLASS, node=id(node))])
