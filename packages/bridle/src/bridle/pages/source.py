"""The source of a regularizer, as it stands in its file: what is NumPy's, what is PyTorch's, and what both share."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from bridle.recipe import Regularizer

__all__ = ["source_of"]

GAP = "\n\n"
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class RegularizerSource:
    """The texts of the parts; each definition stands in one of them."""

    vanilla: str
    torch: str
    shared: str  # helpers that both forms use, and what the class adds to them; often nothing


def source_of(leaf: type[Regularizer]) -> RegularizerSource:
    """Return both forms of a regularizer; nothing that its file defines is left out."""
    text = inspect.getsource(inspect.getmodule(leaf) or leaf)
    lines, body = text.splitlines(), ast.parse(text).body
    defined = {name: node for node in body if isinstance(node, Definition) for name in names_of(node)}
    card = defined.pop(leaf.__name__)
    assert isinstance(card, ast.ClassDef)
    forms = [name for node in card.body if is_form(node) for name in used(node, defined)]
    vanilla = reached(filter(is_vanilla, forms), defined)
    torch = reached((name for name in forms if not is_vanilla(name)), defined)

    def joined(names: set[str]) -> str:
        return GAP.join(lines_of(node, lines) for name, node in defined.items() if name in names)

    shared = [joined(set(defined) - (vanilla ^ torch)), additions(card, lines)]
    return RegularizerSource(joined(vanilla - torch), joined(torch - vanilla), GAP.join(filter(None, shared)))


def is_vanilla(name: str) -> bool:
    """Return True if a formula is in the NumPy form."""
    return name.endswith("_vanilla")


def is_form(node: ast.stmt) -> bool:
    """Return True if a line of the class names one of the formulas: ``torch = staticmethod(l2)``."""
    return isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("staticmethod(")


def names_of(node: Definition) -> list[str]:
    """Return the names that a definition defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]


def used(node: ast.AST, defined: Iterable[str]) -> list[str]:
    """Return the file's own names that a piece of code uses."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return [name for name in defined if name in names]


def reached(names: Iterable[str], defined: dict[str, Definition]) -> set[str]:
    """Follow names to all that they use, directly or through others."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += used(defined[name], defined)
    return found


def additions(card: ast.ClassDef, lines: list[str]) -> str:
    """Return the body of the class without the card, the knobs and the names of the formulas."""
    kept = [
        node
        for node in card.body
        if not (isinstance(node, ast.Expr) or is_form(node) or is_knob(node) or lists_other_names(node))
    ]
    gaps = ["\n" * isinstance(node, ast.FunctionDef) for node in kept]
    return "\n".join(gap + textwrap.dedent(lines_of(node, lines)) for gap, node in zip(gaps, kept, strict=True)).strip()


def lists_other_names(node: ast.stmt) -> bool:
    """Return True if a line of the class lists the names that others have for it."""
    return isinstance(node, ast.Assign) and names_of(node) == ["known_as"]


def is_knob(node: ast.stmt) -> bool:
    """Return True if a line of the class declares a knob, or that those below it are given by name."""
    return isinstance(node, ast.AnnAssign) and (node.value is None or ast.unparse(node.value).startswith("knob("))


def lines_of(node: ast.stmt, lines: list[str]) -> str:
    """Return the lines of a definition, with its decorators and the comment above it."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min([node.lineno, *(each.lineno for each in decorators)]) - 1
    comment = list(takewhile(lambda line: line.lstrip().startswith("#"), reversed(lines[:first])))
    return "\n".join(lines[first - len(comment) : node.end_lineno])
