"""Python lines no longer than a page is wide, broken where the common formatters break them."""

from __future__ import annotations

import io
import itertools
import re
import textwrap
import tokenize
from collections.abc import Iterable, Iterator

from bridle.exporting.line_parts import at_commas, at_operator, brackets, code_characters

__all__ = ["INDENT", "docstring", "indented", "wrapped"]

WIDTH = 100
INDENT = "    "
BETWEEN = (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
HEADERS = ("def ", "class ", "for ", "while ", "if ", "elif ", "with ")
STRING = re.compile(r'f?"(?P<text>[^"]*)"')
LITERAL = re.compile(rf"({STRING.pattern.replace('?P<text>', '')} ?)+")


def wrapped(text: str) -> str:
    """Wrap code, each statement in as few lines as fit; one with comments between its lines stays as it is."""
    return "\n".join(line for statement in statements(text) for line in break_line(statement))


def comment(text: str, indent: str = "") -> list[str]:
    """Return a remark in lines of its own."""
    return textwrap.wrap(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def docstring(text: str, indent: str = "") -> list[str]:
    """Return the lines of a docstring, each paragraph wrapped."""
    one = f'{indent}"""{text}"""'
    if len(one) <= WIDTH and "\n" not in text:
        return [one]
    first, *others = (" ".join(each.split()) for each in text.strip().split("\n\n"))
    # The narrower first paragraph never is one line that only lacks the room for the closing quotes.
    lines = textwrap.wrap(f'"""{first}', WIDTH - 3, initial_indent=indent, subsequent_indent=indent)
    for each in others:
        lines += ["", *textwrap.wrap(each, WIDTH, initial_indent=indent, subsequent_indent=indent)]
    return [*lines, f'{indent}"""']


def statements(text: str) -> Iterator[list[str]]:
    """Yield the lines of each statement, remark and gap; a statement's are joined where that loses nothing."""
    lines = text.splitlines()
    within: list[tokenize.TokenInfo] = []  # the statement under way
    done = 0
    for token in tokenize.generate_tokens(io.StringIO(f"{text}\n").readline):
        if not within and token.type in BETWEEN:
            continue
        if not within:
            yield from remarks(lines[done : token.start[0] - 1])
        within.append(token)
        if token.type == tokenize.NEWLINE:
            done = token.end[0]
            yield join_lines(lines[within[0].start[0] - 1 : done], within)
            within = []
    yield from remarks(lines[done:])


def remarks(lines: list[str]) -> Iterator[list[str]]:
    """Yield the lines between statements: gaps one by one, and the lines of each remark together."""
    for is_remark, run in itertools.groupby(lines, key=lambda line: line.lstrip().startswith("#")):
        if is_remark:
            yield list(run)
        else:
            yield from ([line] for line in run)


def join_lines(lines: list[str], tokens: list[tokenize.TokenInfo]) -> list[str]:
    """Join the lines of a statement, unless comments stand between them."""
    last = tokens[-1].end[0]
    remarked = any(each.type == tokenize.COMMENT and each.end[0] < last for each in tokens)
    if remarked or '"""' in lines[0] or len(lines) == 1:
        return lines
    one = lines[0].rstrip()
    for line in map(str.strip, lines[1:]):
        if line[0] in ")]}" and one.endswith(","):
            one = one[:-1]  # of the last of several lines
        one += line if one[-1] in "([{" or line[0] in ")]}" else f" {line}"
    return [one]


def break_line(lines: list[str]) -> list[str]:
    """Break a statement into lines that fit."""
    line = lines[0]
    indent = line[: len(line) - len(line.lstrip())]
    if line.startswith(f'{indent}"""'):
        return docstring("\n".join(lines).strip().strip('"'), indent)
    if line.startswith(f"{indent}#") and max(map(len, lines)) > WIDTH:
        return comment(" ".join(each.strip("# ") for each in lines), indent)
    if len(lines) > 1 or len(line) <= WIDTH:
        return lines
    code, remark = split_comment(line)
    if remark:
        return [*comment(remark, indent), *break_line([code])]
    return split(line.strip(), indent)


def split_comment(line: str) -> tuple[str, str]:
    """Split a line into its code and the remark behind it."""
    start = next((position for position, mark in code_characters(line) if mark == "#"), len(line))
    return line[:start].rstrip(), line[start:].strip("# ")


def split(code: str, indent: str) -> list[str]:
    """Split a logical line that does not fit into several."""
    if LITERAL.fullmatch(code):
        return split_strings(code, indent)
    head, body, tail = around_last_bracket(code, WIDTH - len(indent))
    operators = 0 if code.startswith(HEADERS) else len(at_operator(code)) - 1
    if operators > 1 or (operators and not body):
        return in_brackets(code, indent)
    if not body:
        return [indent + code]
    inner = indent + INDENT
    if len(inner) + len(body) <= WIDTH:
        return [indent + head, inner + body, indent + tail]
    parts, clauses = [f"{part}," for part in at_commas(body)], at_operator(body)
    if len(parts) == 1 or clauses[-1].startswith(("for ", "if ")):
        parts = clauses
    return [indent + head, *(line for part in parts for line in break_line([inner + part])), indent + tail]


def split_strings(code: str, indent: str) -> list[str]:
    """Put strings that stand side by side into a line each; one that does not fit is cut at a space."""
    lines = []
    for each in STRING.finditer(code):
        words = re.split(r"(?<= )(?![^{]*})", each["text"])
        part = ""
        for word in words:
            if len(indent) + len(part + word) + 3 > WIDTH:
                lines.append(part)
                part = ""
            part += word
        lines.append(part)
    return [f'{indent}{"f" * ("{" in line)}"{line}"' for line in lines]


def in_brackets(code: str, indent: str) -> list[str]:
    """Put the right-hand side of ``target = a + b`` into brackets of its own."""
    target, between, value = code.partition(" = ")
    if not between:
        target, between, value = code.partition(" ")
    inner = indent + INDENT
    lines = [value] if len(inner) + len(value) <= WIDTH else at_operator(value)
    return [f"{indent}{target}{between}(", *(inner + line for line in lines), f"{indent})"]


def around_last_bracket(code: str, room: int) -> tuple[str, str, str]:
    """Split a line around the content of its last bracket: before, content, behind; empty if there is none.

    It is the last one with a content before which there is room for all else; of a definition that of its arguments.
    """
    pairs = [(start, end) for start, end, depth in brackets(code) if depth == 0 and end > start + 1]
    if not pairs:
        return code, "", ""
    fitting = [pair for pair in pairs if pair[0] < room] or pairs
    start, end = pairs[0] if code.startswith("def ") else fitting[-1]
    return code[: start + 1], code[start + 1 : end], code[end:]


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    """Indent lines."""
    return [INDENT * levels + line if line else line for line in lines]
