"""What is said of the audit's rules, wherever they are shown: read from their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bridle_audit.findings import SEVERITIES
from bridle_audit.rule import Rule
from bridle_audit.rules import RULES

BySeverity = Mapping[str, list[Rule]]

MEANING = {
    "error": "almost surely a bug",
    "warning": "likely costs accuracy",
    "note": "worth knowing",
}


class Way(NamedTuple):
    """How a kind of check finds a mistake."""

    subject: str  # what is looked at
    words: str
    command: str


WAYS = {
    "probe": Way("models", "measured on a copy of the model", "bridle.audit(model, optimizer, loss, batch)"),
    "watch": Way("loops", "seen while a loop runs", "bridle.watch(model, optimizer)"),
    "static": Way("files", "read in scripts and notebooks", "bridle audit PATH"),
    "recipe": Way("recipes", "read off a recipe, before training", "bridle.audit(recipe)"),
    "study": Way("studies", "seen in a finished comparison", "bridle.audit(study)"),
}


def rules_by_severity() -> BySeverity:
    """The rules of each severity, the worst first."""
    return {each: [rule for rule in RULES.values() if rule.severity == each] for each in reversed(SEVERITIES)}


def gist(rule: Rule) -> str:
    """What a rule finds, in one line."""
    return rule.page.summary


def ways_of(rule: Rule) -> list[Way]:
    """How it is found."""
    return [way for kind, way in WAYS.items() if kind in rule.checks]


def how_to_allow(rule: Rule) -> str:
    """What to write where it is meant."""
    comment = [f"`# bridle: allow[{rule.name}]` in the file"] if "static" in rule.checks else []
    ways = [*comment, f"`--allow {rule.name}` on the command line", f'`allow=["{rule.name}"]` in Python']
    return f"{', '.join(ways[:-1])} or {ways[-1]}"


def subjects(rule: Rule) -> list[str]:
    """In what it is found."""
    return [way.subject for way in ways_of(rule)]


def rules_as_data() -> list[dict[str, Any]]:
    """The rules as plain data."""
    return [
        {"name": rule.name, "severity": severity, "summary": gist(rule), "found in": subjects(rule)}
        for severity, rules in rules_by_severity().items()
        for rule in rules
    ]
