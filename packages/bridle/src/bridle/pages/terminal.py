"""The catalog and the audit's rules on the terminal: lists, and all that is known of one of them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from bridle.knobs import knobs
from bridle.naming import meant
from bridle.pages.catalog import (
    ByPlace,
    Leaf,
    by_whom,
    called_elsewhere,
    card,
    conflicts_of,
    knobs_in_short,
    plain,
    summary,
    value,
    what_happens,
)
from bridle.pages.narrow import narrow
from bridle.pages.rules import MEANING, gist, how_to_allow, rules_by_severity, subjects, ways_of
from bridle.pages.source import source_of
from bridle.recipe import Regularizer, find
from bridle_audit.rule import Rule
from bridle_audit.rules import RULES
from bridle_audit.wording import shortened

INDENT = 4
TABLE_WIDTH = 72  # columns that a table of knobs needs
PROSE_WIDTH = 140  # columns in which a paragraph can still be read
AS_WRITTEN = ("Formula", "Example")  # sections whose lines mean something


@dataclass(frozen=True)
class Entry:
    """A line of a list."""

    name: str
    summary: str
    detail: str  # shown behind it, in brackets or dimmed


@dataclass(frozen=True)
class Listing:
    """Groups of entries: folded to the width there is; where lines are not broken one each, for `grep` and the like."""

    groups: Mapping[tuple[str, str], list[Entry]]  # by name and meaning

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        name_width = max(len(each.name) for entries in self.groups.values() for each in entries)
        for number, ((name, meaning), entries) in enumerate(self.groups.items()):
            yield Text.assemble("\n" * bool(number), (name, "bold"), f": {meaning}")
            yield from flat(entries, name_width) if options.no_wrap else [folded(entries, name_width)]


def listing(catalog: ByPlace) -> Listing:
    """The regularizers by place, for ``rich`` to print."""
    return Listing(
        {
            (place, what_happens(place)): [Entry(each.__name__, summary(each), knobs_in_short(each)) for each in leaves]
            for place, leaves in catalog.items()
        }
    )


def rule_listing() -> Listing:
    """The rules by severity, likewise."""
    return Listing(
        {
            (severity, MEANING[severity]): [Entry(each.name, gist(each), ", ".join(subjects(each))) for each in rules]
            for severity, rules in rules_by_severity().items()
            if rules
        }
    )


def folded(entries: list[Entry], name_width: int) -> RenderableType:
    """A row each, which may take several lines."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=name_width, no_wrap=True)
    for each in entries:
        table.add_row(Text(each.name), Text.assemble(each.summary, "\n", (each.detail, "dim")))
    return Padding(table, (0, 0, 0, 2), expand=False)


def flat(entries: list[Entry], name_width: int) -> Iterator[Text]:
    """A line each."""
    for each in entries:
        yield Text(f"  {each.name:{name_width}}  {each.summary}  ({each.detail})")


def explained(name: str) -> RenderableType:
    """The page of a regularizer or a rule; ``ValueError`` with the nearest names of both if there is none."""
    if name in RULES:
        return rule_explanation(RULES[name])
    if name in Regularizer.leaves:
        return explanation(find(name))
    raise ValueError(f"unknown regularizer or rule {shortened(name)}{meant(name, Regularizer.leaves, RULES)}")


def rule_explanation(rule: Rule) -> RenderableType:
    """Everything a reader wants to know of one rule: its page, and how to allow what it finds."""
    said = rule.page
    ways = "\n".join(f"{way.words}: {way.command}" for way in ways_of(rule))
    return Group(
        Text.assemble((rule.name, "bold"), f", {rule.severity}: {MEANING[rule.severity]}\n"),
        Text(paragraphs(said.summary) + "\n"),
        *section("What it finds", paragraphs(said.what)),
        *section("How it is found", ways),
        *section("Why it hurts", paragraphs(said.why)),
        *code("Example", said.example + "\n"),
        *code("Use instead", said.instead + "\n"),
        *section("How to allow it", how_to_allow(rule)),
        *section("References", said.references),
    )


def explanation(leaf: Leaf) -> RenderableType:
    """Everything a reader wants to know of one regularizer: its card, its knobs, both of its forms."""
    source = source_of(leaf)
    title = Text.assemble((leaf.__name__, "bold"), f", {leaf.place}: {what_happens(leaf.place)}\n")
    head = [title, Text(paragraphs(card(leaf).opening) + "\n")]
    middle = [part for heading in headings(leaf) for part in section(heading, text_of(leaf, heading))]
    elsewhere = "\n".join(called_elsewhere(leaf))
    words = section("Called elsewhere", elsewhere) if elsewhere else ()
    forms = {
        "In NumPy, the gradient by hand": source.vanilla,
        "In PyTorch": source.torch,
        "What both share": source.shared,
    }
    codes = [part for heading, text in forms.items() if text for part in code(heading, text + "\n")]
    return Group(*head, *middle, Text("Knobs:", style="bold"), Knobs(leaf), *words, *codes)


def headings(leaf: Leaf) -> list[str]:
    """The sections that are shown, in the order of a card; conflicts as well where only others' cards tell of them."""
    found = [each for each in card(leaf).headings if each != "Conflicts"]
    if conflicts_of(leaf):
        found.insert(found.index("Example"), "Conflicts")
    return found


def text_of(leaf: Leaf, heading: str) -> str:
    """A section as it is shown."""
    if heading == "Conflicts":
        return "\n".join(
            f"{each.severity} with {', '.join(each.names)}{by_whom(leaf, each)} {plain(each.sentence)}"
            for each in conflicts_of(leaf)
        )
    text = plain(card(leaf)[heading])
    return text if heading in AS_WRITTEN else paragraphs(text)


def paragraphs(text: str) -> str:
    """Text whose lines the terminal may break where it likes."""
    return "\n\n".join(" ".join(each.split()) for each in plain(text).split("\n\n"))


def section(heading: str, text: str) -> tuple[RenderableType, ...]:
    """A heading and what stands under it, indented; of code each line as it is."""
    body = Text(textwrap.indent(text, " " * INDENT) + "\n", no_wrap=True, overflow="ignore")
    return Text(f"{heading}:", style="bold"), body if heading == "Example" else Indented(text)


@dataclass(frozen=True)
class Knobs:
    """The knobs of a regularizer: a table, or, where that would be too narrow to be read, a paragraph for each."""

    leaf: Leaf

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= TABLE_WIDTH:
            yield knob_table(self.leaf)
            return
        for each in knobs(self.leaf):
            off = f", off at {value(each.off)}" if each.off is not None else ""
            yield Indented(f"{each.name}={value(each.default)}{off}, {each.range}: {plain(each.meaning)}")


def knob_table(leaf: Leaf) -> Table:
    """One row for each knob."""
    table = Table("knob", "default", "off at", "values", "meaning", box=box.SIMPLE_HEAD, pad_edge=False)
    for each in knobs(leaf):
        table.add_row(each.name, value(each.default), value(each.off), Text(each.range), Text(plain(each.meaning)))
    return table


def code(heading: str, text: str) -> tuple[RenderableType, ...]:
    """Source under a heading, coloured on a terminal."""
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
    """The width that a text takes."""
    return max(map(len, text.splitlines()), default=0)


def shorter(text: str) -> str:
    """Source in lines as short as they can be; as it is where it is no program by itself."""
    try:
        return narrow(text)
    except SyntaxError:
        return text
