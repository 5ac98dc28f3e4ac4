"""The source of a module, taken apart into its definitions and imports."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from types import ModuleType

from bridle.errors import InputError

__all__ = ["Defined", "ModuleSource", "module_source", "names_of", "text_of"]

Defined = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class ModuleSource:
    """A module's own text: what it defines and what it imports, by name."""

    module: ModuleType
    lines: tuple[str, ...]
    defined: dict[str, Defined] = field(hash=False)
    imported: dict[str, tuple[str, str]] = field(hash=False)  # name -> the import that binds it, the module it is from


@cache
def module_source(module: ModuleType) -> ModuleSource:
    """Return the source of a module, taken apart; raise ``ValueError`` where it has no file."""
    try:
        text = inspect.getsource(module)
    except (OSError, TypeError) as error:
        raise InputError(f"the formulas of {module.__name__} have no file that could be printed") from error
    body = ast.parse(text).body
    defined = {name: node for node in body if isinstance(node, Defined) for name in names_of(node)}
    imported = {
        alias.asname or alias.name.partition(".")[0]: (import_of(node, alias), origin(node, alias))
        for node in body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return ModuleSource(module, tuple(text.splitlines()), defined, imported)


def names_of(node: Defined) -> list[str]:
    """Return the names that a definition binds in its module."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]


def import_of(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """Return the import statement of a single name."""
    bound = f" as {alias.asname}" if alias.asname and alias.asname != alias.name else ""
    start = f"from {node.module} import" if isinstance(node, ast.ImportFrom) else "import"
    return f"{start} {alias.name}{bound}"


def origin(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """Return the module that an imported name is from."""
    return str(node.module) if isinstance(node, ast.ImportFrom) else alias.name


def text_of(node: Defined, lines: tuple[str, ...]) -> str:
    """Return the lines of a definition, with its decorators and the comment above it."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min([node.lineno, *(each.lineno for each in decorators)]) - 1
    above = list(takewhile(lambda line: line.startswith("#"), reversed(lines[:first])))
    return "\n".join(lines[first - len(above) : node.end_lineno])
