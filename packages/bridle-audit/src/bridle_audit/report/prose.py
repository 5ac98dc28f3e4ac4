"""Lists, paragraphs and source on the terminal, for the pages of rules and of whatever else has a page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from bridle_audit.report.narrow import narrow

__all__ = ["Entry", "Indented", "Listing", "code", "paragraphs", "plain", "section"]

INDENT = 4
PROSE_WIDTH = 140  # columns in which a paragraph can still be read


@dataclass(frozen=True)
class Entry:
    """A line of a list."""

    name: str
    summary: str
    detail: str  # shown behind it, in brackets or dimmed


@dataclass(frozen=True)
class Listing:
    """Groups of entries: folded to the width there is, or, for `grep` and the like, a line each."""

    groups: Mapping[tuple[str, str], list[Entry]]  # by name and meaning

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        name_width = max(len(each.name) for entries in self.groups.values() for each in entries)
        for number, ((name, meaning), entries) in enumerate(self.groups.items()):
            yield Text.assemble("\n" * bool(number), (name, "bold"), f": {meaning}")
            yield from flat(entries, name_width) if options.no_wrap else [folded(entries, name_width)]


def folded(entries: list[Entry], name_width: int) -> RenderableType:
    """Return entries as a table, a row each, which may take several lines."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=name_width, no_wrap=True)
    for each in entries:
        table.add_row(Text(each.name), Text.assemble(each.summary, "\n", (each.detail, "dim")))
    return Padding(table, (0, 0, 0, 2), expand=False)


def flat(entries: list[Entry], name_width: int) -> Iterator[Text]:
    """Yield entries, a line each."""
    for each in entries:
        yield Text(f"  {each.name:{name_width}}  {each.summary}  ({each.detail})")


def plain(text: str) -> str:
    """Return a docstring's text without the double quotes of its markup."""
    return text.replace("``", "`")


def paragraphs(text: str) -> str:
    """Join the lines of each paragraph, for the terminal to break."""
    return "\n\n".join(" ".join(each.split()) for each in plain(text).split("\n\n"))


def section(heading: str, text: str) -> tuple[RenderableType, ...]:
    """Return a heading and the text under it, indented; an example keeps its lines."""
    body = Text(textwrap.indent(text, " " * INDENT) + "\n", no_wrap=True, overflow="ignore")
    return Text(f"{heading}:", style="bold"), body if heading == "Example" else Indented(text)


def code(heading: str, text: str) -> tuple[RenderableType, ...]:
    """Return source under a heading, coloured on a terminal."""
    return Text(f"{heading}:\n", style="bold"), Code(text)


@dataclass(frozen=True)
class Indented:
    """Text behind a margin, its lines broken where they must be."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, PROSE_WIDTH) - INDENT
        for line in Text(self.text).wrap(console, max(width, 1)):
            line.rstrip()
            yield Text(" " * INDENT) + line
        yield Text("")


@dataclass(frozen=True)
class Code:
    """Source that can be copied: where it is too wide, with shorter comments and signatures, but never broken."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self.text if longest_line(self.text) <= options.max_width else shorter(self.text)
        shown = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(text)
        shown.no_wrap, shown.overflow = True, "ignore"
        yield shown


def longest_line(text: str) -> int:
    """Return the length of the longest line."""
    return max(map(len, text.splitlines()), default=0)


def shorter(text: str) -> str:
    """Return source in shorter lines; unchanged if it is no program by itself."""
    try:
        return narrow(text)
    except SyntaxError:
        return text
