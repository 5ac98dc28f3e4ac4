"""Pieces of a page of Markdown, as GitHub shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["MADE", "code", "prose", "side_by_side", "table"]

MADE = "<!-- Made by `make docs` from {}: what is changed here is lost. -->"
CODE_OR_ADDRESS = re.compile(r"(``.+?``|`[^`]+`|https?://[^\s,;]*[^\s,;.)])", flags=re.DOTALL)
MARKUP = re.compile(r"[\\*<$~]|(?<!\w)_|_(?!\w)")  # characters that would not be shown as they are


def prose(text: str) -> str:
    """Write a docstring's text as paragraphs: code and addresses stay such, all else is shown as it is.

    >>> print(prose("The ``rate`` of 2 * x\\nor `less`, https://example.org, section 1."))
    The `rate` of 2 \\* x or `less`, <https://example.org>, section 1.
    """
    return "\n\n".join(" ".join(inline(part).split()) for part in text.split("\n\n"))


def inline(text: str) -> str:
    """Escape one paragraph's markup, but for code and addresses; its line breaks are kept."""
    parts = CODE_OR_ADDRESS.split(text)
    parts[0::2] = [MARKUP.sub(lambda found: "\\" + found[0], part) for part in parts[0::2]]
    parts[1::2] = [f"<{part}>" if part.startswith("http") else f"`{part.strip('`')}`" for part in parts[1::2]]
    return "".join(parts)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table of Markdown; a bar within a cell is shown, not a border.

    >>> print(table(["knob", "values"], [["`at`", "`a | b`"]]))
    | knob | values |
    |---|---|
    | `at` | `a \\| b` |
    """
    names = list(head)
    lines = [names, *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    first, *rest = (f"| {' | '.join(line)} |" for line in cells)
    return "\n".join([first, f"|{'---|' * len(names)}", *rest])


def code(text: str, language: str = "") -> str:
    """Fence a block of code."""
    return f"```{language}\n{text}\n```"


def side_by_side(left: tuple[str, str], right: tuple[str, str]) -> str:
    """Set two blocks of Python with their titles next to each other.

    The blank lines around the fences are what makes GitHub read Markdown within HTML.
    """
    titles = "".join(f"<th>{title}</th>" for title, _ in (left, right))
    cells = "\n".join(f"<td>\n\n{code(text, 'python')}\n\n</td>" for _, text in (left, right))
    return f'<table>\n<tr>{titles}</tr>\n<tr valign="top">\n{cells}\n</tr>\n</table>'
