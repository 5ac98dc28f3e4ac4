"""One walk over the tree: the parent of each node, and what each name is bound to in each scope."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import singledispatch
from typing import NamedTuple

__all__ = ["Binding", "Function", "Index", "Loop", "Scope", "defaults", "target_values"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
Loop = ast.For | ast.AsyncFor | ast.While
Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

OPENING = frozenset({*SCOPES, ast.arguments})  # whose children are not all looked up in the scope of the node itself
# Fields of texts and numbers, and of nodes of which there is one in all of Python: ast.Load(), ast.Add(), ...
PLAIN = frozenset({"arg", "asname", "attr", "conversion", "ctx", "id", "kind", "level", "module", "op", "ops"})
FIELDS = {
    kind: tuple(each for each in kind._fields if each not in PLAIN)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}  # those that may hold nodes, by class


class Binding(NamedTuple):
    """One way in which a name comes to mean something."""

    kind: str  # "assigned", "import", "definition", "argument", or "other": a loop, a with, a part of something, ...
    node: ast.AST
    value: ast.expr | None = None  # what is assigned, or an argument's default
    dotted: str = ""  # what is imported


@dataclass(eq=False)
class Scope:
    """A module, function, class or comprehension, and the names that it binds."""

    node: ast.AST
    outer: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    elsewhere: dict[str, Scope] = field(default_factory=dict)  # names that are declared global or nonlocal

    def bind(self, name: str, binding: Binding) -> None:
        """Take a binding down where it belongs."""
        home = self.elsewhere.get(name, self)
        home.bindings.setdefault(name, []).append(binding)

    def find(self, name: str) -> Scope | None:
        """The scope that a name belongs to when it is used here; a class's names are not seen in its methods."""
        scope: Scope | None = self.elsewhere.get(name, self)
        while scope is not None:
            if name in scope.bindings and (scope is self or not isinstance(scope.node, ast.ClassDef)):
                return scope
            scope = scope.outer
        return None


class Index:
    """Parents, scopes and nodes by type. Nodes of one type are in the order of the file, but decorators come last."""

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope(tree, None)
        self.parents: dict[ast.AST, ast.AST] = {}
        self.scopes: dict[ast.AST, Scope] = {}  # in which a name is looked up
        self.inner: dict[ast.AST, Scope] = {}  # of what has a scope of its own
        self.by_type: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        self.stars: list[str] = []  # modules of which everything is imported
        self.walk(tree)
        for scope, name, binding in self.loose:
            scope.bind(name, binding)

    def walk(self, tree: ast.Module) -> None:
        """Visit all nodes, without recursion: programs may be nested deeply."""
        self.loose: list[tuple[Scope, str, Binding]] = []  # bound at the end, when all declarations are known
        stack: list[tuple[ast.AST, Scope]] = [(tree, self.module)]
        while stack:
            node, scope = stack.pop()
            kind = type(node)
            self.by_type[kind].append(node)
            if kind is ast.Constant:
                continue
            if kind is ast.Name:
                self.scopes[node] = scope
                continue
            if kind in visit.registry:
                visit(node, self, scope)
            children = children_of(node)
            self.parents.update(dict.fromkeys(children, node))
            children.reverse()
            if kind in OPENING:
                stack += [(child, self.scope_for(child, node, scope)) for child in children]
            else:
                stack += [(child, scope) for child in children]

    def scope_for(self, child: ast.AST, node: ast.AST, scope: Scope) -> Scope:
        """The scope in which a child of a node with a scope of its own is evaluated: decorators belong outside."""
        if isinstance(node, ast.arguments):  # their defaults are evaluated outside
            return scope.outer or scope if isinstance(child, ast.expr) else scope
        is_inside = isinstance(child, ast.stmt | ast.arguments) or not isinstance(node, Defined)
        return self.own(node, scope) if is_inside else scope

    def own(self, node: ast.AST, outer: Scope) -> Scope:
        """The scope that a node has for itself."""
        if node not in self.inner:
            self.inner[node] = Scope(node, outer)
        return self.inner[node]

    def bind(self, scope: Scope, name: str, binding: Binding) -> None:
        """Take a binding down, to be entered at the end."""
        self.loose.append((scope, name, binding))


def children_of(node: ast.AST) -> list[ast.AST]:
    """The nodes below a node, without those that only say how it is meant: there is one of each in all of Python."""
    children: list[ast.AST] = []
    for name in FIELDS[type(node)]:
        value = getattr(node, name, None)
        if type(value) is list:
            children += [each for each in value if isinstance(each, ast.AST)]
        elif isinstance(value, ast.AST):
            children.append(value)
    return children


@singledispatch
def visit(node: ast.AST, index: Index, scope: Scope) -> None:
    """Take down what a node binds in a scope; most bind nothing."""
    del node, index, scope


@visit.register
def visit_import(node: ast.Import, index: Index, scope: Scope) -> None:
    """``import a.b as c``."""
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        index.bind(scope, name, Binding("import", node, dotted=alias.name if alias.asname else name))


@visit.register
def visit_from(node: ast.ImportFrom, index: Index, scope: Scope) -> None:
    """``from a import b as c``."""
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name == "*":
            index.stars.append(module)
        else:
            dotted = f"{module}.{alias.name}" if node.module else module + alias.name
            index.bind(scope, alias.asname or alias.name, Binding("import", node, dotted=dotted))


@visit.register
def visit_definition(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, index: Index, scope: Scope) -> None:
    """``def`` and ``class``."""
    index.bind(scope, node.name, Binding("definition", node))


@visit.register
def visit_arguments(node: ast.arguments, index: Index, scope: Scope) -> None:
    """The parameters of a function or lambda."""
    for name, default in defaults(node):
        index.bind(scope, name, Binding("argument", node, default))
    for each in (node.vararg, node.kwarg):
        if each is not None:
            index.bind(scope, each.arg, Binding("other", node))


def defaults(node: ast.arguments) -> Iterator[tuple[str, ast.expr | None]]:
    """The arguments by name, with their defaults."""
    plain = [*node.posonlyargs, *node.args]
    missing: list[ast.expr | None] = [None] * (len(plain) - len(node.defaults))
    yield from zip((each.arg for each in plain), [*missing, *node.defaults], strict=True)
    yield from zip((each.arg for each in node.kwonlyargs), node.kw_defaults, strict=True)


@visit.register
def visit_assign(node: ast.Assign | ast.AnnAssign, index: Index, scope: Scope) -> None:
    """``a = b = value``, ``a, b = values``, ``a: type = value``."""
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        if node.value is not None:
            for name, value in target_values(target, node.value):
                index.bind(scope, name, Binding("assigned" if value is not None else "other", node, value))


def target_values(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, ast.expr | None]]:
    """The names in a target, each with the part of the value that it gets, where that can be told."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Starred):
        yield from target_values(target.value, None)
    elif isinstance(target, ast.Tuple | ast.List):
        parts: list[ast.expr | None] = [None] * len(target.elts)
        fits = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(parts)
        if isinstance(value, ast.Tuple | ast.List) and fits:
            starred = any(isinstance(each, ast.Starred) for each in [*value.elts, *target.elts])
            parts = parts if starred else list(value.elts)
        for inner, part in zip(target.elts, parts, strict=True):
            yield from target_values(inner, part)


@visit.register
def visit_target(
    node: ast.For | ast.AsyncFor | ast.comprehension | ast.AugAssign | ast.withitem | ast.NamedExpr,
    index: Index,
    scope: Scope,
) -> None:
    """Loops, ``with``, ``+=`` and ``:=``: their names are bound, to what is not followed here."""
    target = node.optional_vars if isinstance(node, ast.withitem) else node.target
    while isinstance(node, ast.NamedExpr) and isinstance(scope.node, COMPREHENSIONS) and scope.outer is not None:
        scope = scope.outer
    for name, _ in target_values(target, None) if target is not None else ():
        index.bind(scope, name, Binding("other", node))


@visit.register
def visit_named(
    node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar | ast.MatchMapping, index: Index, scope: Scope
) -> None:
    """``except ... as name``, and what a ``match`` captures."""
    name = node.rest if isinstance(node, ast.MatchMapping) else node.name
    if name:
        index.bind(scope, name, Binding("other", node))


@visit.register
def visit_declaration(node: ast.Global | ast.Nonlocal, index: Index, scope: Scope) -> None:
    """``global`` and ``nonlocal``."""
    for name in node.names:
        home = index.module if isinstance(node, ast.Global) else scope.outer
        scope.elsewhere[name] = home or index.module
