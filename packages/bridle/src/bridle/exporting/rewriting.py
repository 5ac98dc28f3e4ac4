"""Definitions rewritten as text: freed of what only a stack of networks needs, and under other names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

__all__ = ["apply_edits", "both_forms_edits", "rename", "single_network_code"]

LINTER_REMARKS = re.compile(r"\s*#\s*(noqa|type: ignore)\b[^#\n]*(#[^\n]*)?$", flags=re.MULTILINE)
STATES = (  # of NumPy's arrays as well, which no script needs
    (r"\(NamedTuple, Generic\[Array\]\)", "(NamedTuple)"),
    (r"\b(\w+): Array\b", r"\1: Tensor"),
    (r"\b([A-Z]\w+)\[Tensor\]", r"\1"),
)
# What a formula says of the stack that it also serves, and what is left of that for a single network.
STACK_PROSE = ((r"\(\.\.\., (?=[^()]*,)", "("), (r", \(\.\.\.\)", ""))


def single_network_code(text: str) -> str:
    """Rewrite a definition for a single network: knobs are numbers, no argument ``out``, no leading axes."""
    text = LINTER_REMARKS.sub("", text)
    for general, own in STATES:
        text = re.sub(general, own, text)
    (node,) = ast.parse(text).body
    if isinstance(node, ast.FunctionDef):
        text = apply_edits(text, [*knob_edits(node), *out_edits(node)])
    prose = set(prose_lines(text))
    lines = [
        single_network_prose(line) if number in prose else single_network_remark(line)
        for number, line in enumerate(text.splitlines(), 1)
    ]
    return "\n".join(lines)


def single_network_prose(prose: str) -> str:
    """Rewrite prose about a stack of networks for a single one."""
    for old, new in STACK_PROSE:
        prose = re.sub(old, new, prose)
    return prose


def single_network_remark(line: str) -> str:
    """Rewrite the remark behind a line of code for a single network."""
    code, mark, remark = line.partition("#")
    return line if '"' in code else f"{code}{mark}{single_network_prose(remark)}"


def prose_lines(text: str) -> Iterator[int]:
    """Yield the numbers of the lines that are docstrings."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


Edit = tuple[int, int, int, int, str]  # from line and column to line and column (in bytes), the new text


def replacement(node: ast.expr, text: str) -> Edit:
    """Return the edit that replaces a node by a text."""
    return node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0, text


def knob_edits(function: ast.FunctionDef) -> list[Edit]:
    """Return the edits by which knobs are numbers, where they were a number for each network."""
    words = [each.annotation for each in function.args.kwonlyargs if each.arg != "out"]
    return [replacement(each, re.sub(r"\bfloat \| Tensor\b", "float", ast.unparse(each))) for each in words if each]


def both_forms_edits(function: ast.FunctionDef) -> list[Edit]:
    """Return the edits by which a function for NumPy as well takes tensors and numbers only."""
    arguments = function.args
    words = [(each.annotation, "float") for each in (*arguments.kwonlyargs, arguments.kwarg) if each]
    arrays = [(each.annotation, "Tensor") for each in (*arguments.args, arguments.vararg) if each]
    annotations = [*words, *arrays, (function.returns, "Tensor")]
    return [replacement(each, re.sub(r"\bAny\b", kind, ast.unparse(each))) for each, kind in annotations if each]


def out_edits(function: ast.FunctionDef) -> list[Edit]:
    """Return the edits without the argument ``out``, into which the stacked engine lets a formula write."""
    if not any(each.arg == "out" for each in function.args.kwonlyargs):
        return []
    uses = [each for each in ast.walk(function) if isinstance(each, ast.Name) and each.id == "out"]
    passed = [
        (call, word)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg == "out" and isinstance(word.value, ast.Name) and word.value.id == "out"
    ]
    if len(uses) != len(passed):
        return []
    return [*(keyword_removal(call, word) for call, word in passed), argument_removal(function)]


def keyword_removal(call: ast.Call, word: ast.keyword) -> Edit:
    """Return the edit of a call without its last keyword, the comma before it included."""
    before = [*call.args, *(each.value for each in call.keywords if each is not word)][-1]
    return before.end_lineno or 0, before.end_col_offset or 0, word.end_lineno or 0, word.end_col_offset or 0, ""


def argument_removal(function: ast.FunctionDef) -> Edit:
    """Return the edit without a function's last argument ``out``, and without the ``*`` if there is no other."""
    *others, out = function.args.kwonlyargs
    default = function.args.kw_defaults[-1]
    before = (others or function.args.args)[-1]
    end = default if default is not None else out
    return before.end_lineno or 0, before.end_col_offset or 0, end.end_lineno or 0, end.end_col_offset or 0, ""


def rename(text: str, names: dict[str, str]) -> str:
    """Replace names in code."""
    tree = ast.parse(text)
    edits = [
        replacement(each, names[each.id]) for each in ast.walk(tree) if isinstance(each, ast.Name) and each.id in names
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names:
            start = node.col_offset + len("def " if isinstance(node, ast.FunctionDef) else "class ")
            edits.append((node.lineno, start, node.lineno, start + len(node.name), names[node.name]))
    return apply_edits(text, edits)


def apply_edits(text: str, edits: list[Edit]) -> str:
    """Apply edits that do not overlap to a text."""
    lines = [line.encode() for line in text.splitlines()]
    for first, start, last, end, new in sorted(edits, reverse=True):
        lines[first - 1 : last] = [lines[first - 1][:start] + new.encode() + lines[last - 1][end:]]
    return "\n".join(line.decode() for line in lines)
