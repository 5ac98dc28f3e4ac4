"""The pages of docs/: one for each regularizer and rule, indexes, and tables within pages that are written by hand."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from pathlib import Path

from bridle.card import DOUBTFUL, REFUSED, Conflict
from bridle.knobs import knobs
from bridle.pages.catalog import (
    Leaf,
    by_whom,
    called_elsewhere,
    card,
    catalog_of,
    conflicts_of,
    describe_place,
    knobs_in_short,
    value,
)
from bridle.pages.markdown import MADE, code, prose, side_by_side, table
from bridle.pages.rule_documents import rule_documents
from bridle.pages.source import source_of
from bridle.regularizers import CATALOG
from bridle.schedules import SCHEDULES
from bridle_audit.atomic_files import write_whole
from bridle_audit.findings import PAGES
from bridle_audit.report.narrow import narrow

__all__ = ["write"]

FOLDER = "docs/regularizers"
FOLDERS = (FOLDER, PAGES)  # in which nothing is written by hand
WITH_TABLES = ("docs/conflicts.md", "docs/strengths.md")  # written by hand, but for their tables
BLOCK = re.compile(r"(<!-- made by `make docs`: (\w+) -->\n).*?(\n<!-- end -->)", flags=re.DOTALL)
NO_BREAK = "\u00a0"  # a space at which `[0, 1)` is not broken in two


def write(root: Path) -> list[Path]:
    """Bring the pages of a repository up to date; what has changed, pages that are no longer needed among it."""
    pages = documents(root)
    stale = [path for folder in FOLDERS for path in (root / folder).rglob("*.md") if path not in pages]
    changed = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        path.unlink()
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, pages[path])
    return sorted([*stale, *changed])


def documents(root: Path) -> dict[Path, str]:
    """Return every page by its path, with the text that it should have."""
    made = {
        root / FOLDER / "index.md": index(),
        **{root / FOLDER / path_of(leaf): page(leaf) for leaf in CATALOG.values()},
        **{root / path: text for path, text in rule_documents().items()},
    }
    by_hand = {root / name: (root / name).read_text(encoding="utf-8") for name in WITH_TABLES}
    return made | {path: with_tables(text) for path, text in by_hand.items()}


def with_tables(text: str) -> str:
    """Make a page's tables anew, between ``<!-- made by `make docs`: name -->`` and the end."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", text)


def path_of(leaf: Leaf) -> str:
    """Return the path of a regularizer's page in the folder of pages, which is that of its file in the package."""
    return f"{leaf.place}/{leaf.__module__.rpartition('.')[2]}.md"


def page(leaf: Leaf) -> str:
    """Write a regularizer's page in Markdown, with all that ``bridle explain`` shows."""
    said, source = card(leaf), source_of(leaf)
    file = f"packages/bridle/src/bridle/regularizers/{path_of(leaf).removesuffix('.md')}.py"
    sections = {
        "Formula": code(said["Formula"], "text"),
        "Helps when": prose(said["Helps when"]),
        "Hurts when": prose(said["Hurts when"]),
        "Conversion": prose(said["Conversion"]),
        "Called elsewhere": "\n".join(f"- {each}" for each in called_elsewhere(leaf)),
        "Conflicts": "\n".join(f"- {clash(leaf, each)}" for each in conflicts_of(leaf)),
        "Knobs": knob_table(leaf),
        "Example": code(said["Example"], "pycon"),
        "Paper": prose(said["Paper"]),
        "Side by side": side_by_side(
            ("NumPy, the gradient by hand", narrow(source.vanilla)), ("PyTorch", narrow(source.torch))
        ),
        "What both share": code(source.shared, "python") if source.shared else "",
    }
    parts = [
        MADE.format(file),
        f"# {leaf.__name__}",
        f"[All regularizers](../index.md) · [{leaf.place}](../index.md#{leaf.place}): {describe_place(leaf.place)} · "
        f"[source](../../../{file})",
        prose(said.opening),
        *(f"## {heading}\n\n{text}" for heading, text in sections.items() if text),
    ]
    return "\n\n".join(parts) + "\n"


def knob_table(leaf: Leaf) -> str:
    """Write a table with one row for each knob."""
    rows = [
        (
            f"`{each.name}`",
            f"`{value(each.default)}`",
            f"`{value(each.off)}`" if each.off is not None else "",
            f"`{each.range.replace(' ', NO_BREAK)}`" if each.is_number or each.choices else each.range,
            prose(each.meaning),
        )
        for each in knobs(leaf)
    ]
    return table(("knob", "default", "off at", "values", "meaning"), rows)


def clash(leaf: Leaf, conflict: Conflict) -> str:
    """Write a conflict as a sentence of the regularizer's page."""
    with_whom = linked(conflict.names, "../")
    return f"**{conflict.severity}** with {with_whom}{by_whom(leaf, conflict)} {prose(conflict.sentence)}"


def linked(names: Iterable[str], up: str) -> str:
    """Link names to their pages, from a page for which ``up`` leads to the folder of pages."""
    return ", ".join(f"[{name}]({up}{path_of(CATALOG[name])})" for name in names)


def index() -> str:
    """Write the page that lists all pages."""
    parts = [
        MADE.format("the cards in packages/bridle/src/bridle/regularizers"),
        "# Regularizers",
        "By the seven places of a training step, in its order. `bridle explain NAME` shows the same in a terminal. "
        "[Strength per layer and over time](../strengths.md) · [Conflicts](../conflicts.md)",
    ]
    for place, leaves in catalog_of().items():
        rows = [
            (linked((leaf.__name__,), ""), prose(card(leaf).summary), f"`{knobs_in_short(leaf)}`") for leaf in leaves
        ]
        listed = table(("regularizer", "what it does", "knobs"), rows)
        parts.append(f"## {place}\n\n{describe_place(place).capitalize()}.\n\n{listed}")
    return "\n\n".join(parts) + "\n"


def conflicts(severity: str) -> str:
    """Write a table of the conflicts of one severity, each as its card states it."""
    rows = [
        (linked((name,), "regularizers/"), linked(each.names, "regularizers/"), prose(each.sentence))
        for name, leaf in CATALOG.items()
        for each in card(leaf).conflicts
        if each.severity == severity
    ]
    return table(("regularizer", "with", "why, and what to do"), rows)


def schedules() -> str:
    """Write a table of the schedules, from their declarations."""
    rows = []
    for kind, schedule in SCHEDULES.items():
        arguments = [
            each.name if each.default is MISSING else f"{each.name}={each.default}"
            for each in fields(schedule)
            if each.repr
        ]
        described = (inspect.getdoc(schedule) or "").partition(">>>")[0].strip()
        rows.append((f"`{kind}({', '.join(arguments)})`", prose(described).replace("\n\n", " ")))
    return table(("schedule", "what it does"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "refused": lambda: conflicts(REFUSED),
    "doubtful": lambda: conflicts(DOUBTFUL),
    "schedules": schedules,
}
