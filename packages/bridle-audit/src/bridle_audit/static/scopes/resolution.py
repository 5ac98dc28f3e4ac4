"""From names in a file to what they mean: through imports, aliases and star imports."""

from __future__ import annotations

import ast

from bridle_audit.static.libraries.canonical_names import BUILTINS, canonical, from_star
from bridle_audit.static.scopes.index import Binding, Index, Scope

__all__ = ["resolve", "scope_of"]

DEPTH = 8  # of aliases of aliases
LONGEST = 16  # how many dots a name may have


def resolve(index: Index, node: ast.AST, depth: int = DEPTH) -> str | None:
    """The dotted name of what an expression refers to; None for a variable, or for anything that is computed."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or depth == 0 or len(attributes) > LONGEST:
        return None
    scope = scope_of(index, node)
    if scope is not None:
        name = resolve_bindings(index, scope.bindings[node.id], node.id, depth)
    else:
        name = from_star(node.id, index.stars) or (node.id if node.id in BUILTINS else None)
    for attribute in attributes if name else ():
        name = canonical(f"{name}.{attribute}")
    return name


def scope_of(index: Index, node: ast.Name) -> Scope | None:
    """The scope that binds a name."""
    scope = index.scopes.get(node)
    return scope.find(node.id) if scope is not None else None


def resolve_bindings(index: Index, bindings: list[Binding], name: str, depth: int) -> str | None:
    """Resolve a name by its bindings: an import, a definition of the file, or one other name."""
    kinds = {each.kind for each in bindings}
    if "import" in kinds and kinds <= {"import", "assigned", "definition"}:  # others: for want of the import
        imported = [each.dotted for each in bindings if each.kind == "import"]
        plain = all(each.kind != "assigned" or isinstance(each.value, ast.Constant) for each in bindings)
        return canonical(imported[0]) if plain else None
    if kinds == {"definition"}:
        return name
    if kinds == {"assigned"} and len(bindings) == 1 and isinstance(bindings[0].value, ast.Name | ast.Attribute):
        return resolve(index, bindings[0].value, depth - 1)
    return None
