"""Which names of a module other modules use: what its ``__all__`` has to list."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from repository import ROOT

SOURCES = {"bridle_audit": ROOT / "packages/bridle-audit/src", "bridle": ROOT / "packages/bridle/src"}
USERS = ("packages/bridle-audit/src", "packages/bridle/src", "site", "benchmarks", "examples")
# A rule is found by its folder, and its check by its name; a regularizer's file is the regularizer, nothing is hidden.
BY_CONVENTION = ("bridle_audit.rules.", "bridle.rules.", "bridle.regularizers.")
ENTRY_POINTS = {"bridle.mypy_plugin": {"plugin"}, "bridle_audit.cli.app": {"app"}}  # what others find by a text


def module_name(path: Path) -> str:
    """Return the dotted name of a source file."""
    for source in SOURCES.values():
        if path.is_relative_to(source):
            return ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
    return ""


@cache
def trees() -> dict[Path, ast.Module]:
    """Return the syntax of all files that use names, without the programs of the rules' pages."""
    files = [file for folder in USERS for file in sorted((ROOT / folder).rglob("*.py"))]
    return {
        file: ast.parse(file.read_text(encoding="utf-8")) for file in files if file.name not in ("bad.py", "good.py")
    }


@cache
def modules() -> dict[str, Path]:
    """Return the modules that must say which of their names are for others."""
    found = {module_name(path): path for path in trees() if module_name(path)}
    return {
        name: path
        for name, path in found.items()
        if path.name not in ("__init__.py", "__main__.py") and not name.startswith(BY_CONVENTION)
    }


@cache
def used_names() -> dict[str, set[str]]:
    """Return, for each module, the names of it that other modules import or look up."""
    used: dict[str, set[str]] = defaultdict(set, {name: set(names) for name, names in ENTRY_POINTS.items()})
    for tree in trees().values():
        for module, name in uses(tree):
            used[module].add(name)
    return used


def uses(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import from a module, and of each attribute of an imported module."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.module, alias.name
                if f"{node.module}.{alias.name}" in modules():
                    bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            bound |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            yield bound[node.value.id], node.attr


def defined_names(tree: ast.Module) -> set[str]:
    """Return the names that a module binds at its top level, imports apart."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.If | ast.Try):
            stored = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            found |= {each.id for each in stored if isinstance(each.ctx, ast.Store)}
            found |= {each.name for each in ast.walk(node) if isinstance(each, ast.FunctionDef | ast.ClassDef)}
    return found


def names_for_others(module: str) -> list[str]:
    """Return what the ``__all__`` of a module has to be."""
    return sorted(used_names()[module] & defined_names(trees()[modules()[module]]))


def declared_names(module: str) -> list[str] | None:
    """Return the ``__all__`` of a module as it is written; ``None`` where there is none."""
    for node in trees()[modules()[module]].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return sorted(ast.literal_eval(node.value))
    return None
