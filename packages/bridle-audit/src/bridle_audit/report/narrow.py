"""Source in shorter lines, so that two columns of it fit on a page; the formulas themselves stay as they were set."""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize

__all__ = ["narrow"]

WIDTH = 60
FOR_TOOLS = re.compile(r"  # (noqa|type: ignore).*")
OUTER_COMMA = re.compile(r", (?![^\[]*\])")  # not one within brackets
DEFAULT = re.compile(r"(: [^=]+)=")  # set without spaces by `ast`


def narrow(text: str) -> str:
    """Break the comments, docstrings and signatures of code into lines of :data:`WIDTH`.

    >>> print(narrow("def a_long_name(w: np.ndarray, v: np.ndarray, *, strength: float):  # noqa: D103\\n    return w"))
    def a_long_name(
        w: np.ndarray, v: np.ndarray, *, strength: float
    ):
        return w
    """
    lines = with_comments_above(FOR_TOOLS.sub("", text)).splitlines()
    tree = ast.parse("\n".join(lines))
    defined = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in sorted(defined, key=lambda each: each.lineno, reverse=True):  # so that lines above keep their numbers
        if ast.get_docstring(node):
            said = node.body[0]
            lines[said.lineno - 1 : said.end_lineno] = docstring(node, " " * said.col_offset)
        if isinstance(node, ast.FunctionDef):
            first, last = node.lineno - 1, node.body[0].lineno - 1
            lines[first:last] = signature(node, lines[first:last])
    return "\n".join(lines)


def with_comments_above(text: str) -> str:
    """Put a comment that makes its line too long above it."""
    lines = text.splitlines()
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        row, column = token.start
        line = lines[row - 1] if token.type == tokenize.COMMENT else ""
        if len(line) > WIDTH:
            start = line[: len(line) - len(line.lstrip())] + "# "
            wrapped = textwrap.wrap(token.string.lstrip("# "), WIDTH, initial_indent=start, subsequent_indent=start)
            lines[row - 1 : row] = [*wrapped, *filter(None, [line[:column].rstrip()])]
    return "\n".join(lines)


def docstring(node: ast.FunctionDef | ast.ClassDef, indent: str) -> list[str]:
    """Return the lines of a definition's docstring, wrapped by paragraph."""
    paragraphs = f'"""{ast.get_docstring(node)}"""'.split("\n\n")
    wrapped = ("\n".join(textwrap.wrap(" ".join(each.split()), WIDTH - len(indent))) for each in paragraphs)
    return textwrap.indent("\n\n".join(wrapped), indent).splitlines()


def signature(node: ast.FunctionDef, lines: list[str]) -> list[str]:
    """Return the lines of a function's signature, its parameters in one line of their own, or in one line each."""
    if max(map(len, lines)) <= WIDTH:
        return lines
    indent = " " * node.col_offset
    parameters = [DEFAULT.sub(r"\1 = ", each) for each in OUTER_COMMA.split(ast.unparse(node.args))]
    together = f"{indent}    {', '.join(parameters)}"
    apart = [f"{indent}    {each}," for each in parameters]
    return [f"{indent}def {node.name}(", *([together] if len(together) <= WIDTH else apart), *returns(node, indent)]


def returns(node: ast.FunctionDef, indent: str) -> list[str]:
    """Return the lines of a return annotation, a tuple's parts in one line each if they are too long."""
    returned = node.returns
    end = f"{indent}) -> {ast.unparse(returned)}:" if returned else f"{indent}):"
    if len(end) <= WIDTH or not (isinstance(returned, ast.Subscript) and isinstance(returned.slice, ast.Tuple)):
        return [end]
    parts = [f"{indent}    {ast.unparse(each)}," for each in returned.slice.elts]
    return [f"{indent}) -> {ast.unparse(returned.value)}[", *parts, f"{indent}]:"]
