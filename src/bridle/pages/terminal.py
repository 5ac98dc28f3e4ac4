"""The catalog on the terminal: a list by place, and all that is known of one regularizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from bridle.knobs import knobs
from bridle.pages.catalog import (
    ByPlace,
    Leaf,
    by_whom,
    card,
    conflicts_of,
    knobs_in_short,
    plain,
    summary,
    value,
    what_happens,
)
from bridle.pages.source import source_of

INDENT = 4
AS_WRITTEN = ("Formula", "Example")  # sections whose lines mean something


@dataclass(frozen=True)
class Listing:
    """The catalog by place: folded to the width of a terminal; elsewhere one line each, for `grep` and the like."""

    catalog: ByPlace

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        name_width = max(len(leaf.__name__) for leaves in self.catalog.values() for leaf in leaves)
        for number, (place, leaves) in enumerate(self.catalog.items()):
            yield Text.assemble("\n" * bool(number), (place, "bold"), f": {what_happens(place)}")
            yield from [folded(leaves, name_width)] if options.is_terminal else flat(leaves, name_width)


def listing(catalog: ByPlace) -> Listing:
    """What ``rich`` prints."""
    return Listing(catalog)


def folded(leaves: list[Leaf], name_width: int) -> RenderableType:
    """A row each, which may take several lines."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=name_width, no_wrap=True)
    for leaf in leaves:
        table.add_row(Text(leaf.__name__), Text.assemble(summary(leaf), "\n", (knobs_in_short(leaf), "dim")))
    return Padding(table, (0, 0, 0, 2), expand=False)


def flat(leaves: list[Leaf], name_width: int) -> Iterator[Text]:
    """A line each."""
    for leaf in leaves:
        yield Text(f"  {leaf.__name__:{name_width}}  {summary(leaf)}  ({knobs_in_short(leaf)})")


def explanation(leaf: Leaf) -> RenderableType:
    """Everything a reader wants to know of one regularizer: its card, its knobs, both of its forms."""
    source = source_of(leaf)
    title = Text.assemble((leaf.__name__, "bold"), f", {leaf.place}: {what_happens(leaf.place)}\n")
    head = [title, Text(paragraphs(card(leaf).opening) + "\n")]
    middle = [part for heading in headings(leaf) for part in section(heading, text_of(leaf, heading))]
    forms = {
        "In NumPy, the gradient by hand": source.vanilla,
        "In PyTorch": source.torch,
        "What both share": source.shared,
    }
    codes = [part for heading, text in forms.items() if text for part in code(heading, text)]
    return Group(*head, *middle, Text("Knobs:", style="bold"), knob_table(leaf), *codes)


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
    """A heading and what stands under it, indented."""
    return Text(f"{heading}:", style="bold"), Padding(Text(text), (0, 0, 1, INDENT), expand=False)


def knob_table(leaf: Leaf) -> Table:
    """One row for each knob."""
    table = Table("knob", "default", "off at", "values", "meaning", box=box.SIMPLE_HEAD, pad_edge=False)
    for each in knobs(leaf):
        table.add_row(each.name, value(each.default), value(each.off), Text(each.range), Text(plain(each.meaning)))
    return table


def code(heading: str, text: str) -> tuple[RenderableType, ...]:
    """Source under a heading, coloured on a terminal."""
    return Text(f"{heading}:\n", style="bold"), Syntax(text, "python", background_color="default", word_wrap=True)
