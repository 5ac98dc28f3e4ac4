"""A script under construction: its definitions in order, and the imports that they need."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable

from bridle.exporting.wrapping import wrapped

__all__ = ["Script", "bound_names", "names_in"]

FIRST = "from __future__ import annotations"
# What the scripts' own lines may use; formulas bring the imports of their files along.
IMPORTS = (
    "import copy",
    "import math",
    "import torch",
    "import torch.nn.functional as F",
    "from collections import OrderedDict",
    "from collections.abc import Callable",
    "from collections.abc import Iterator",
    "from contextlib import contextmanager",
    "from functools import partial",
    "from torch import Tensor",
    "from torch import nn",
    "from torch.func import functional_call",
    "from torch.nn.utils import parametrize",
)


class Script:
    """The definitions of a script: those written for it alone, and those copied from the files of formulas."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.reserved = frozenset(reserved)  # names that a copied definition must not have
        self.imports = {bound(line): line for line in IMPORTS}
        self.texts: dict[str, str] = {}  # by the name in the script, in order
        self.copied: dict[tuple[str, str], str] = {}  # (module, name there) -> name in the script
        self.own: set[str] = set()  # the names of what is written for this script alone, its variables among them

    def define(self, name: str, lines: Iterable[str]) -> str:
        """Add a definition that is written for this script, once; return its name."""
        if name not in self.own:
            text = wrapped("\n".join(lines))
            self.own |= {name, *bound_names(ast.parse(text))}
            self.texts[name] = text
        return name

    @property
    def clashes(self) -> set[str]:
        """The names of copied definitions that something else has as well: they must be written under other ones."""
        return self.own & set(self.copied.values())

    def text(self, opening: str, closing: str) -> str:
        """Return the whole script: the opening remark, imports, definitions, and what is run."""
        kept = self.used(closing)
        body = "\n\n\n".join(kept)
        names = names_in([body, closing])
        imports = sections([line for name, line in self.imports.items() if name in names])
        gap = "\n" if last_is_constant(kept[0]) else "\n\n"
        return f"{opening}\n\n{FIRST}\n\n{imports}\n{gap}{spaced(kept)}\n\n\n{closing}\n"

    def used(self, closing: str) -> list[str]:
        """Return the definitions that something uses, without the methods that nothing uses."""
        texts = dict(self.texts)
        while True:
            trees = [ast.parse(text) for text in (*texts.values(), closing)]
            names = {each.id for tree in trees for each in ast.walk(tree) if isinstance(each, ast.Name)}
            attributes = {each.attr for tree in trees for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
            kept = {name: pruned(text, attributes) for name, text in texts.items() if name in names}
            if kept == texts:
                return list(kept.values())
            texts = kept


def bound(line: str) -> str:
    """Return the name that an import binds."""
    return line.rsplit(maxsplit=1)[-1].partition(".")[0]


def pruned(text: str, attributes: set[str]) -> str:
    """Return a plain class without the methods that nobody asks for; everything else as it is."""
    (node,) = ast.parse(text).body
    if not isinstance(node, ast.ClassDef) or node.bases:
        return text
    lines = text.splitlines()
    for each in reversed(node.body):
        if isinstance(each, ast.FunctionDef) and each.name not in attributes:
            first = min([each.lineno, *(decorator.lineno for decorator in each.decorator_list)])
            del lines[first - 2 : each.end_lineno]  # with the empty line above
    return "\n".join(lines)


def sections(lines: Iterable[str]) -> str:
    """Sort imports as usual: Python's own, then the others; whole modules before names, which stand together."""
    modules = {line for line in lines if line.startswith("import ")}
    names: dict[str, list[str]] = {}
    for line in sorted({*lines} - modules, key=by_kind):
        start, _, name = line.partition(" import ")
        names.setdefault(start, []).append(name)
    joined = [*sorted(modules), *(f"{start} import {', '.join(each)}" for start, each in sorted(names.items()))]
    own = [line for line in joined if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    others = [line for line in joined if line not in own]
    return "\n\n".join("\n".join(each) for each in (own, others) if each)


def by_kind(line: str) -> tuple[bool, bool, str]:
    """Return the sort key of an imported name: constants, then classes, then functions, as the common tools have it."""
    name = line.rsplit(maxsplit=1)[-1]
    return not name.isupper(), not name[0].isupper(), name


def spaced(texts: Iterable[str]) -> str:
    """Join definitions with two empty lines between them; constants that follow one another have none."""
    found = ""
    for text in texts:
        gap = "\n" if last_is_constant(found) and last_is_constant(text) else "\n\n\n"
        found = f"{found}{gap}{text}" if found else text
    return found


def last_is_constant(text: str) -> bool:
    """Return True where the last line is that of a constant."""
    return text.rpartition("\n")[2][:1].isupper()


def names_in(lines: Iterable[str]) -> set[str]:
    """Return the names that code uses."""
    return {each.id for each in ast.walk(ast.parse("\n".join(lines))) if isinstance(each, ast.Name)}


def bound_names(tree: ast.AST) -> set[str]:
    """Return the names that code binds for itself: arguments, and what is assigned within functions."""
    bound = {each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)}
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.Lambda | ast.GeneratorExp)]
    stored = (each for function in functions for each in ast.walk(function) if isinstance(each, ast.Name))
    return bound | {each.id for each in stored if isinstance(each.ctx, ast.Store)}
