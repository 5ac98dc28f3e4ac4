"""Comments that allow what a rule would find: ``# bridle: allow[relu-on-logits]``.

One counts on the lines of the statement that it stands on, for the statement below where it has a line of its own, and
in the whole body where that is a ``def`` or ``class``; ``# bridle: allow-file[...]`` counts in the whole file.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["AllowedFindings", "parse_allow_comments"]

COMMENT = re.compile(r"#\s*bridle:\s*(?P<verb>allow(?:-file)?)\s*(?:\[(?P<names>[^\]]*)\])?")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class AllowedFindings:
    """The names that are allowed, by line of the whole text, and in all of it."""

    lines: dict[int, set[str]] = field(default_factory=dict)
    everywhere: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()  # on comments that say nothing

    def __call__(self, name: str, line: int) -> bool:
        """Return True if a comment allows the rule's findings in a line."""
        return name in self.everywhere or name in self.lines.get(line, ())


@dataclass(frozen=True)
class AllowComment:
    """One comment: its line, whether it has the line for itself, and the names it gives."""

    line: int
    alone: bool
    whole: bool  # whether it is for the file
    names: frozenset[str]


@dataclass(frozen=True)
class Span:
    """A statement: the lines of its head, the last on which a comment alone is part of it, and all it speaks for."""

    head: range
    last: int
    reach: range


def parse_allow_comments(text: str, tree: ast.Module) -> AllowedFindings:
    """Parse the comments of a program that allow findings."""
    if "bridle:" not in text:
        return AllowedFindings()
    comments = list(comments_of(text))
    by_line = {each.line: each for each in comments if not each.whole}
    lines: dict[int, set[str]] = {}
    for span in spans(tree) if by_line else ():
        names = {name for each in comments_at(by_line, span) for name in each.names}
        for line in span.reach if names else ():
            lines.setdefault(line, set()).update(names)
    everywhere = frozenset(name for each in comments if each.whole for name in each.names)
    empty = [each.line for each in comments if not each.names]
    return AllowedFindings(lines, everywhere, tuple(f"line {line}: write # bridle: allow[rule-name]" for line in empty))


def comments_of(text: str) -> Iterator[AllowComment]:
    """The comments to bridle; tokens tell them from strings that look like one."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    try:
        for token in tokens:
            found = COMMENT.search(token.string) if token.type == tokenize.COMMENT else None
            if found:
                names = frozenset(name.strip() for name in (found["names"] or "").split(",") if name.strip())
                alone = not token.line[: token.start[1]].strip()
                yield AllowComment(token.start[0], alone, found["verb"] == "allow-file", names)
    except (tokenize.TokenError, SyntaxError):  # the rest has none that could be told apart
        return


def spans(tree: ast.Module) -> Iterator[Span]:
    """Every statement. A block's head ends where its body starts."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt | ast.excepthandler):
            continue
        decorators = node.decorator_list if isinstance(node, Definition) else []
        first = min([node.lineno, *(each.lineno for each in decorators)])
        whole = range(first, (node.end_lineno or first) + 1)
        body = getattr(node, "body", None)
        if not body:
            yield Span(whole, whole.stop - 1, whole)
            continue
        head = range(first, max(body[0].lineno, node.lineno + 1))
        inner = (
            each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr | ast.arguments | ast.keyword)
        )
        last = max(
            (part.end_lineno or 0 for each in inner for part in ast.walk(each) if hasattr(part, "end_lineno")),
            default=0,
        )
        yield Span(head, max(last, node.lineno), whole if isinstance(node, Definition) else head)


def comments_at(by_line: dict[int, AllowComment], span: Span) -> Iterator[AllowComment]:
    """The comments on a statement's lines, and those directly above that have their lines for themselves."""
    for line in span.head:
        if line in by_line and (line <= span.last or not by_line[line].alone):
            yield by_line[line]
    line = span.head.start - 1
    while line in by_line and by_line[line].alone:
        yield by_line[line]
        line -= 1
