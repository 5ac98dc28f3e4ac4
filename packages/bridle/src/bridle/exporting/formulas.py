"""Definitions of other files, copied into a script with all that they use.

What a definition uses is found by its name in its own file, and in those that this imports from; what comes from
elsewhere (torch, math) is imported, the rest stands in the script as well.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable

from bridle.errors import InputError
from bridle.exporting.rewriting import apply_edits, both_forms_edits, rename, single_network_code
from bridle.exporting.script import Script, bound_names
from bridle.exporting.source import Defined, ModuleSource, module_source, names_of, text_of
from bridle.exporting.wrapping import wrapped

__all__ = ["copy_definition", "copy_function", "method_text"]

OURS = "bridle"


def copy_function(script: Script, function: Callable[..., object], owner: str = "") -> str:
    """Copy a function into the script and return its name there; a method is called after its ``owner``."""
    module = inspect.getmodule(function)
    if not inspect.isfunction(function) or module is None:
        raise InputError(f"{function!r} is no Python function, so that its source cannot be printed")
    if function.__qualname__ == function.__name__:
        return copy_definition(script, module_source(module), function.__name__)
    name = f"{owner}_{function.__name__}"
    if name not in script.texts:
        lines = [line for line in inspect.getsourcelines(function)[0] if line.strip() != "@staticmethod"]
        text = textwrap.dedent("".join(lines)).rstrip()
        (node,) = ast.parse(text).body
        assert isinstance(node, ast.FunctionDef)
        text = apply_edits(text, both_forms_edits(node))
        script.texts[name] = resolve_names(script, module_source(module), text, {function.__name__: name})
    return name


def method_text(script: Script, function: Callable[..., object]) -> str:
    """Return the text of a method, which finds the knobs of its regularizer as attributes of its object."""
    text = textwrap.dedent(inspect.getsource(function)).rstrip()
    module = inspect.getmodule(function)
    assert module is not None
    text = re.sub(r'self\.numbers\(\)\["(\w+)"\]', r"self.\1", text)
    return resolve_names(script, module_source(module), text, {})


def copy_definition(script: Script, home: ModuleSource, name: str) -> str:
    """Copy something that a file defines or imports into the script, and return its name there."""
    key = (home.module.__name__, name)
    if key in script.copied:
        return script.copied[key]
    if name in home.imported:
        line, source = home.imported[name]
        if source.partition(".")[0] != OURS:
            script.imports[name] = line
            return name
        script.copied[key] = copy_definition(script, module_source(sys.modules[source]), line.split()[3])
        return script.copied[key]
    text = text_of(home.defined[name], home.lines)
    script.copied[key] = name  # for what calls itself
    found = resolve_names(script, home, text, {})
    if name in script.reserved or script.texts.get(name, found) != found:
        script.copied[key] = f"{home.module.__name__.rpartition('.')[2]}_{name}"
        found = resolve_names(script, home, text, {name: script.copied[key]})
    script.texts.setdefault(script.copied[key], found)
    return script.copied[key]


def resolve_names(script: Script, home: ModuleSource, text: str, renamed: dict[str, str]) -> str:
    """Return a definition's text, cleaned, with the names that what it uses has in the script."""
    text = single_network_code(text)
    (node,) = ast.parse(text).body
    own = {*bound_names(node), *renamed, *(names_of(node) if isinstance(node, Defined) else ())}
    names = dict(renamed)
    for each in dict.fromkeys(each.id for each in ast.walk(node) if isinstance(each, ast.Name)):
        if each not in own and (each in home.defined or each in home.imported):
            names[each] = copy_definition(script, home, each)
    return wrapped(rename(text, {old: new for old, new in names.items() if old != new}))
