"""A file as syntax: where its nodes stand, what its names mean, what its expressions are worth."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import Any, TypeVar

from bridle_audit.findings import Location
from bridle_audit.static.constants.folding import is_number
from bridle_audit.static.constants.values import Values
from bridle_audit.static.scopes.index import Function, Index, Loop
from bridle_audit.static.scopes.resolution import resolve, scope_of
from bridle_audit.static.source.comments import AllowedFindings, parse_allow_comments
from bridle_audit.static.source.parsing import Source

__all__ = ["Syntax"]

Node = TypeVar("Node", bound=ast.AST)
BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")


class Syntax:
    """Queries on any file's syntax. Each is evaluated when it is first asked for, once."""

    def __init__(self, source: Source) -> None:
        self.read = source
        self.names: dict[ast.AST, str | None] = {}  # that have been resolved
        self.worth: dict[ast.AST, Any] = {}  # values that have been worked out

    @property
    def file(self) -> str:
        """The file's name, as it was given."""
        return self.read.file

    @property
    def text(self) -> str:
        """The text that was read: of a notebook, the code of all cells."""
        return self.read.text

    @property
    def tree(self) -> ast.Module:
        """The whole as a tree."""
        return self.read.tree

    @property
    def is_notebook(self) -> bool:
        """True if the file has cells."""
        return bool(self.read.cells)

    @property
    def remarks(self) -> list[str]:
        """Sentences on parts that were left out, or not understood."""
        return [*self.read.remarks, *self.allowed.remarks]

    @cached_property
    def index(self) -> Index:
        """The one walk over the tree."""
        return Index(self.tree)

    @property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.read.lines

    @cached_property
    def allowed(self) -> AllowedFindings:
        """The findings that comments allow."""
        return parse_allow_comments(self.text, self.tree)

    @cached_property
    def values(self) -> Values:
        """The values of expressions."""
        return Values(self.index)

    def location(self, node: ast.AST) -> Location:
        """Return the location of a node: in a notebook, the cell and the line within it."""
        return self.read.location(node)

    def allows(self, name: str, location: Location) -> bool:
        """Return True if a comment allows a rule's finding at a location."""
        return self.allowed(name, self.read.line_of(location))

    def text_of(self, node: ast.stmt) -> str:
        """The lines of a statement as they stand in the file."""
        return "\n".join(self.lines[node.lineno - 1 : node.end_lineno])

    def source(self, node: ast.AST) -> str:
        """A node's text, as Python writes it: ``program.source(call.node)`` is ``"nn.ReLU()"``."""
        try:
            return ast.unparse(node)
        except RecursionError:
            return "..."

    def resolve(self, node: ast.AST) -> str | None:
        """Resolve an expression: ``nn.ReLU`` is ``"torch.nn.ReLU"``, a class of the file its own name.

        None for variables, and for whatever is computed.
        """
        if node not in self.names:
            self.names[node] = resolve(self.index, node)
        return self.names[node]

    def value(self, node: ast.AST) -> Any:
        """Return the value of an expression, or UNKNOWN: ``lr`` after a single ``lr = 1e-3`` is 0.001."""
        if node not in self.worth:
            self.worth[node] = self.values.value(node)
        return self.worth[node]

    def number(self, node: ast.AST) -> float | None:
        """Return the value of an expression if it is a number, else None."""
        value = self.value(node)
        return float(value) if is_number(value) else None

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node above; None for the module."""
        return self.index.parents.get(node)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """All nodes above, the nearest first."""
        parent = self.parent(node)
        while parent is not None:
            yield parent
            parent = self.parent(parent)

    def enclosing(self, node: ast.AST, *types: type[Node]) -> Node | None:
        """The nearest node above that is of one of these types: ``program.enclosing(call, ast.With)``."""
        return next((each for each in self.above(node) if isinstance(each, types)), None)

    def function_of(self, node: ast.AST) -> Function | None:
        """The ``def`` in whose body a node stands; None outside of all."""
        return next((each for each in self.above(node) if isinstance(each, Function)), None)

    def loops_around(self, node: ast.AST) -> list[Loop]:
        """The loops of its function around a node, the innermost first."""
        loops: list[Loop] = []
        for each in self.above(node):
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
                break
            loops += [each] if isinstance(each, Loop) else []
        return loops

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """The class in whose body a node stands."""
        return self.enclosing(node, ast.ClassDef)

    def statement_of(self, node: ast.AST) -> ast.stmt | None:
        """The statement that a node is part of, or is."""
        return node if isinstance(node, ast.stmt) else self.enclosing(node, ast.stmt)

    def nodes(self, *types: type[Node]) -> list[Node]:
        """All nodes of these types: ``program.nodes(ast.With)``, in the order of the file."""
        nodes = [each for kind in types for each in self.index.by_type.get(kind, []) if isinstance(each, kind)]
        return sorted(nodes, key=lambda each: (getattr(each, "lineno", 0), getattr(each, "col_offset", 0)))

    @cached_property
    def lineages(self) -> dict[ast.ClassDef, list[ast.ClassDef]]:
        """Each class with the classes of the file above it, the nearest first."""
        known = {each.name: each for each in self.classes}
        bases = {each: [known.get(self.resolve(base) or "") for base in each.bases] for each in self.classes}
        return {each: lineage(each, bases) for each in self.classes}

    @cached_property
    def members(self) -> dict[ast.ClassDef, dict[str, ast.stmt]]:
        """The definitions and assignments of each class's body, by name; the last counts."""
        return {node: dict(members(node)) for node in self.classes}

    @cached_property
    def bases(self) -> dict[ast.ClassDef, list[str]]:
        """The names of what each class derives from that is not in the file."""
        return {node: list(self.library_bases(node)) for node in self.classes}

    def library_bases(self, node: ast.ClassDef) -> Iterator[str]:
        """Yield the libraries' classes from which a class derives, directly or through classes of the file."""
        for each in self.lineages[node]:
            for base in each.bases:
                name = self.resolve(base.value if isinstance(base, ast.Subscript) else base)
                if name is not None and "." in name:
                    yield name

    @cached_property
    def functions(self) -> list[Function]:
        """Every ``def``, methods and inner ones included."""
        return self.nodes(ast.FunctionDef, ast.AsyncFunctionDef)

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        """Every class."""
        return self.nodes(ast.ClassDef)

    def statements_in_order(self, function: Function | None = None) -> list[ast.stmt]:
        """The statements of a function, or of the module's level, with those in its blocks, as they are written."""
        body = self.tree.body if function is None else function.body
        return list(statements(body))

    def uses(self, name: ast.Name) -> list[ast.Name]:
        """Return the reads of a name's variable, in the order of the file."""
        scope = scope_of(self.index, name)
        same = [each for each in self.nodes(ast.Name) if each.id == name.id and isinstance(each.ctx, ast.Load)]
        return [each for each in same if scope is not None and scope_of(self.index, each) is scope]

    def bindings(self, name: ast.Name) -> list[ast.expr | None]:
        """Return the values assigned to a variable, in order; None for any other binding (a loop, an argument, ...)."""
        scope = scope_of(self.index, name)
        bindings = scope.bindings[name.id] if scope is not None else []
        return [each.value if each.kind == "assigned" else None for each in bindings]


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements with those in their blocks; functions and classes are not entered."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.stmt):
            yield each
        if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = [part for block in BLOCKS for part in getattr(each, block, [])]
            waiting += reversed(inner)


def lineage(node: ast.ClassDef, bases: dict[ast.ClassDef, list[ast.ClassDef | None]]) -> list[ast.ClassDef]:
    """A class and those above it."""
    found: list[ast.ClassDef] = []
    waiting: list[ast.ClassDef | None] = [node]
    while waiting:
        each = waiting.pop(0)
        if each is not None and each not in found:
            found.append(each)
            waiting += bases[each]
    return found


def members(node: ast.ClassDef) -> Iterator[tuple[str, ast.stmt]]:
    """The names in a class's body."""
    for each in node.body:
        if isinstance(each, Function):
            yield each.name, each
        targets = (
            each.targets if isinstance(each, ast.Assign) else [each.target] if isinstance(each, ast.AnnAssign) else []
        )
        yield from ((target.id, each) for target in targets if isinstance(target, ast.Name))
