"""The rules' pages on the terminal and as data: a list by severity, and the page of one rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from bridle_audit.findings import SEVERITIES, RulePage
from bridle_audit.report.prose import Entry, Listing, code, paragraphs, plain, section

__all__ = [
    "MEANING",
    "by_severity",
    "how_to_allow",
    "rule_explanation",
    "rule_listing",
    "rules_as_data",
    "subjects",
    "ways_of",
]

BySeverity = Mapping[str, list[RulePage]]

MEANING = {
    "error": "almost surely a bug",
    "warning": "likely costs accuracy",
    "note": "worth knowing",
}


class Way(NamedTuple):
    """The description of a kind of check, for the page of a rule."""

    subject: str  # that is checked
    words: str
    command: str


WAYS = {
    "probe": Way("models", "measured on a copy of the model", "bridle_audit.audit(model, optimizer, loss, batch)"),
    "watch": Way("loops", "seen while a loop runs", "bridle_audit.watch(model, optimizer)"),
    "static": Way("files", "read in scripts and notebooks", "bridle-audit PATH"),
    "recipe": Way("recipes", "read off a recipe, before training", "bridle.audit(recipe)"),
    "study": Way("studies", "seen in a finished comparison", "bridle.audit(study)"),
}


def by_severity(pages: Iterable[RulePage]) -> BySeverity:
    """Return the rules of each severity, the worst first."""
    known = list(pages)
    return {each: [page for page in known if page.severity == each] for each in reversed(SEVERITIES)}


def ways_of(page: RulePage) -> list[Way]:
    """Return the descriptions of a rule's kinds of checks."""
    return [way for kind, way in WAYS.items() if kind in page.kinds]


def subjects(page: RulePage) -> list[str]:
    """Return the subjects in which a rule finds its mistake."""
    return [way.subject for way in ways_of(page)]


def how_to_allow(page: RulePage) -> str:
    """Return the phrase that says how to allow a rule to be broken."""
    comment = [f"`# bridle: allow[{page.name}]` in the file"] if "static" in page.kinds else []
    ways = [*comment, f"`--ignore {page.name}` on the command line", f'`allow=["{page.name}"]` in Python']
    return f"{', '.join(ways[:-1])} or {ways[-1]}"


def rules_as_data(pages: Iterable[RulePage]) -> list[dict[str, Any]]:
    """Return the rules as plain data."""
    return [
        {"name": page.name, "severity": severity, "summary": plain(page.summary), "found in": subjects(page)}
        for severity, listed in by_severity(pages).items()
        for page in listed
    ]


def rule_listing(pages: Iterable[RulePage]) -> Listing:
    """Return the rules by severity, for ``rich`` to print."""
    return Listing(
        {
            (severity, MEANING[severity]): [
                Entry(each.name, plain(each.summary), ", ".join(subjects(each))) for each in listed
            ]
            for severity, listed in by_severity(pages).items()
            if listed
        }
    )


def rule_explanation(page: RulePage) -> RenderableType:
    """Return the page of a rule for ``rich`` to print, with the ways to allow it."""
    ways = "\n".join(f"{way.words}: {way.command}" for way in ways_of(page))
    return Group(
        Text.assemble((page.name, "bold"), f", {page.severity}: {MEANING[page.severity]}\n"),
        Text(paragraphs(page.summary) + "\n"),
        *section("What it finds", paragraphs(page.what)),
        *section("How it is found", ways),
        *section("Why it hurts", paragraphs(page.why)),
        *code("Example", page.example + "\n"),
        *code("Use instead", page.instead + "\n"),
        *section("How to allow it", how_to_allow(page)),
        *section("References", plain(page.references)),
    )
