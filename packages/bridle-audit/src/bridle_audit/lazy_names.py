"""Public names that are imported when they are first used, listed once: in the imports that type checkers read."""

from __future__ import annotations

import ast
from functools import cache
from importlib.resources import files

__all__ = ["lazy_names"]


@cache
def lazy_names(package: str) -> dict[str, str]:
    """Return the names that a package imports for type checkers alone, each with the module that has it.

    They stand in the package's ``__init__.py``, within ``if TYPE_CHECKING:``.

    >>> lazy_names("bridle_audit")["Finding"]
    'bridle_audit.findings'
    """
    tree = ast.parse((files(package) / "__init__.py").read_text(encoding="utf-8"))
    blocks = [each for each in tree.body if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"]
    imports = [each for block in blocks for each in block.body if isinstance(each, ast.ImportFrom)]
    return {alias.asname or alias.name: str(each.module) for each in imports for alias in each.names}
