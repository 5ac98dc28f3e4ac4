"""A script under construction: its definitions in order, and the imports that they need."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

from bridle.errors import InputError
from bridle.exporting.source import (
    Defined,
    ModuleSource,
    both_forms_edits,
    edited,
    locals_of,
    module_source,
    names_of,
    single_network_code,
    text_of,
    with_names,
)
from bridle.exporting.wrapping import wrapped

OURS = "bridle"
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
    """The definitions of a script: formulas with all that they use, and what is written for this script alone.

    What a formula uses is found by its name in the formula's own file, and in those that this imports from; what comes
    from elsewhere (torch, math) is imported, the rest stands in the script as well.
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.reserved = frozenset(reserved)  # names that a formula must not have
        self.imports = {bound(line): line for line in IMPORTS}
        self.texts: dict[str, str] = {}  # by the name in the script, in order
        self.named: dict[tuple[str, str], str] = {}  # (module, name there) -> name in the script
        self.own: set[str] = set()  # the names of what is written for this script alone, its variables among them

    def define(self, name: str, lines: Iterable[str]) -> str:
        """Put in a definition that is written for this script, once; returns its name."""
        if name not in self.own:
            text = wrapped("\n".join(lines))
            self.own |= {name, *locals_of(ast.parse(text))}
            self.texts[name] = text
        return name

    @property
    def clashes(self) -> set[str]:
        """The names of formulas that something else has as well: they must be written under other ones."""
        return self.own & set(self.named.values())

    def formula(self, function: Callable[..., Any], name: str = "") -> str:
        """Put in a function of a file; returns its name in the script. A method gets the ``name`` that is given."""
        module = inspect.getmodule(function)
        if not inspect.isfunction(function) or module is None:
            raise InputError(f"{function!r} is no Python function, so that its source cannot be printed")
        if function.__qualname__ == function.__name__:
            return self.include(module_source(module), function.__name__)
        if name not in self.texts:
            lines = [line for line in inspect.getsourcelines(function)[0] if line.strip() != "@staticmethod"]
            text = textwrap.dedent("".join(lines)).rstrip()
            (node,) = ast.parse(text).body
            assert isinstance(node, ast.FunctionDef)
            text = edited(text, both_forms_edits(node))
            self.texts[name] = self.resolved(module_source(module), text, {function.__name__: name})
        return name

    def method(self, function: Callable[..., Any]) -> str:
        """The text of a method, which finds the knobs of its regularizer as attributes of its object."""
        text = textwrap.dedent(inspect.getsource(function)).rstrip()
        module = inspect.getmodule(function)
        assert module is not None
        return self.resolved(module_source(module), re.sub(r'self\.numbers\(\)\["(\w+)"\]', r"self.\1", text), {})

    def include(self, home: ModuleSource, name: str) -> str:
        """Put in something that a file defines or imports, and return its name in the script."""
        key = (home.module.__name__, name)
        if key in self.named:
            return self.named[key]
        if name in home.imported:
            line, source = home.imported[name]
            if source.partition(".")[0] != OURS:
                self.imports[name] = line
                return name
            self.named[key] = self.include(module_source(sys.modules[source]), line.split()[3])
            return self.named[key]
        text = text_of(home.defined[name], home.lines)
        self.named[key] = name  # for what calls itself
        found = self.resolved(home, text, {})
        if name in self.reserved or self.texts.get(name, found) != found:
            self.named[key] = f"{home.module.__name__.rpartition('.')[2]}_{name}"
            found = self.resolved(home, text, {name: self.named[key]})
        self.texts.setdefault(self.named[key], found)
        return self.named[key]

    def resolved(self, home: ModuleSource, text: str, renamed: dict[str, str]) -> str:
        """A definition's text, cleaned, with the names that what it uses has in the script."""
        text = single_network_code(text)
        (node,) = ast.parse(text).body
        own = {*locals_of(node), *renamed, *(names_of(node) if isinstance(node, Defined) else ())}
        names = dict(renamed)
        for each in dict.fromkeys(each.id for each in ast.walk(node) if isinstance(each, ast.Name)):
            if each not in own and (each in home.defined or each in home.imported):
                names[each] = self.include(home, each)
        return wrapped(with_names(text, {old: new for old, new in names.items() if old != new}))

    def text(self, opening: str, closing: str) -> str:
        """The whole: the opening remark, imports, definitions, and what is run."""
        kept = self.used(closing)
        body = "\n\n\n".join(kept)
        names = {each.id for each in ast.walk(ast.parse(f"{body}\n{closing}")) if isinstance(each, ast.Name)}
        imports = sections([line for name, line in self.imports.items() if name in names])
        gap = "\n" if last_is_constant(kept[0]) else "\n\n"
        return f"{opening}\n\n{FIRST}\n\n{imports}\n{gap}{spaced(kept)}\n\n\n{closing}\n"

    def used(self, closing: str) -> list[str]:
        """The definitions that something uses, without the methods that nothing uses."""
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
    """The name that an import binds."""
    return line.rsplit(maxsplit=1)[-1].partition(".")[0]


def pruned(text: str, attributes: set[str]) -> str:
    """A plain class without the methods that nobody asks for; everything else as it is."""
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
    """Imports in the usual order: Python's own, then the others; whole modules before names, which stand together."""
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
    """Constants before classes before functions, as the common tools order the names of an import."""
    name = line.rsplit(maxsplit=1)[-1]
    return not name.isupper(), not name[0].isupper(), name


def spaced(texts: Iterable[str]) -> str:
    """Definitions with two empty lines between them; constants that follow one another have none."""
    found = ""
    for text in texts:
        gap = "\n" if last_is_constant(found) and last_is_constant(text) else "\n\n\n"
        found = f"{found}{gap}{text}" if found else text
    return found


def last_is_constant(text: str) -> bool:
    """Return True where the last line is that of a constant."""
    return text.rpartition("\n")[2][:1].isupper()
