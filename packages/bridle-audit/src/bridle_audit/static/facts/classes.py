"""The file's own classes: what they derive from, their methods, their attributes."""

from __future__ import annotations

import ast
import re

from bridle_audit.static.libraries.kinds import kind_of
from bridle_audit.static.scopes.index import Function
from bridle_audit.static.syntax import Syntax

__all__ = ["FORWARDS", "class_value", "fields_of", "is_lightning", "is_module", "known_base", "method_of"]

MODULES = re.compile(
    r"^torch\.nn\.|^torch\.jit\.ScriptModule$|^lightning\.LightningModule$|^keras\.(?:Model|Layer)$"
    r"|^keras\.(?:models|layers|losses)\.|^transformers\.\w*(?:Model|For\w+)$|^timm\.|^torchvision\.models\."
    r"|^torch_geometric\.nn\."
)
FORWARDS = ("forward", "call", "__call__")  # by which of its methods an object is called
LIGHTNING = re.compile(r"^lightning\.LightningModule$")


def is_module(syntax: Syntax, node: ast.ClassDef) -> bool:
    """Return True if a class is a network or a part of one: a module, or a derived class with a ``forward``."""
    if any(MODULES.match(each) for each in syntax.bases[node]):
        return True
    if "torch.autograd.Function" in syntax.bases[node]:
        return False
    return bool(node.bases) and method_of(syntax, node, "forward") is not None


def is_lightning(syntax: Syntax, node: ast.ClassDef) -> bool:
    """Return True if a class is a LightningModule, whose loops call ``eval()`` by themselves."""
    return any(LIGHTNING.match(each) for each in syntax.bases[node])


def known_base(syntax: Syntax, node: ast.ClassDef) -> str | None:
    """The library's layer that a class derives from: nn.Sequential, nn.Linear, nn.Dropout, ..."""
    return next(
        (each for each in syntax.bases[node] if each == "torch.nn.Sequential" or kind_of(each) != "other"), None
    )


def method_of(
    syntax: Syntax, node: ast.ClassDef, name: str, after: ast.ClassDef | None = None
) -> tuple[ast.ClassDef, Function] | None:
    """A method with the class that has it; ``after`` a class, one of those above that."""
    line = syntax.lineages[node]
    if after is not None and after in line:
        line = line[line.index(after) + 1 :]
    for owner in line:
        found = syntax.members[owner].get(name)
        if isinstance(found, Function):
            return owner, found
    return None


def class_value(syntax: Syntax, node: ast.ClassDef, name: str) -> ast.expr | None:
    """Return the value that a class's body assigns to a name."""
    for owner in syntax.lineages[node]:
        found = syntax.members[owner].get(name)
        if isinstance(found, ast.Assign | ast.AnnAssign):
            return found.value
    return None


def fields_of(syntax: Syntax, node: ast.ClassDef) -> list[str]:
    """The fields of a dataclass, in order; none for another class."""
    decorators = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
    if not any((syntax.resolve(each) or "").endswith("dataclass") for each in decorators):
        return []
    return [
        each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]
