"""The catalog on the terminal: the list, and all that is known of one of its regularizers, or of a rule."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from bridle.errors import InputError
from bridle.knobs import knobs
from bridle.name_suggestions import suggestion
from bridle.pages.catalog import (
    ByPlace,
    Leaf,
    by_whom,
    called_elsewhere,
    card,
    conflicts_of,
    describe_place,
    knobs_in_short,
    summary,
    value,
)
from bridle.pages.source import source_of
from bridle.recipe import Regularizer, find_regularizer
from bridle_audit.report.prose import Entry, Indented, Listing, code, paragraphs, plain, section
from bridle_audit.report.rules import rule_explanation
from bridle_audit.rules import RULES
from bridle_audit.run.files import rule_pages
from bridle_audit.wording import shortened

__all__ = ["explained", "listing"]

TABLE_WIDTH = 72  # columns that a table of knobs needs
AS_WRITTEN = ("Formula", "Example")  # sections whose lines mean something


def listing(catalog: ByPlace) -> Listing:
    """Return the regularizers by place, for ``rich`` to print."""
    return Listing(
        {
            (place, describe_place(place)): [
                Entry(each.__name__, summary(each), knobs_in_short(each)) for each in leaves
            ]
            for place, leaves in catalog.items()
        }
    )


def explained(name: str) -> RenderableType:
    """Return the page of a regularizer or a rule; ``ValueError`` with the nearest names of both if there is none."""
    if name in RULES:
        return rule_explanation(*rule_pages([RULES[name]]))
    if name in Regularizer.registry:
        return explanation(find_regularizer(name))
    raise InputError(f"unknown regularizer or rule {shortened(name)}{suggestion(name, Regularizer.registry, RULES)}")


def explanation(leaf: Leaf) -> RenderableType:
    """Return the page of one regularizer: its card, its knobs, both of its forms."""
    source = source_of(leaf)
    title = Text.assemble((leaf.__name__, "bold"), f", {leaf.place}: {describe_place(leaf.place)}\n")
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
    """Return the sections in the order of a card; conflicts as well where only others' cards tell of them."""
    found = [each for each in card(leaf).headings if each != "Conflicts"]
    if conflicts_of(leaf):
        found.insert(found.index("Example"), "Conflicts")
    return found


def text_of(leaf: Leaf, heading: str) -> str:
    """Format the text of a section."""
    if heading == "Conflicts":
        return "\n".join(
            f"{each.severity} with {', '.join(each.names)}{by_whom(leaf, each)} {plain(each.sentence)}"
            for each in conflicts_of(leaf)
        )
    text = plain(card(leaf)[heading])
    return text if heading in AS_WRITTEN else paragraphs(text)


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
    """Return a table with one row for each knob."""
    table = Table("knob", "default", "off at", "values", "meaning", box=box.SIMPLE_HEAD, pad_edge=False)
    for each in knobs(leaf):
        table.add_row(each.name, value(each.default), value(each.off), Text(each.range), Text(plain(each.meaning)))
    return table
