"""The pages of docs/audit/rules: one for each rule, and an index."""

from __future__ import annotations

from bridle.pages.markdown import MADE, code, prose, table
from bridle_audit.findings import PAGES
from bridle_audit.report.rules import MEANING, by_severity, how_to_allow, subjects, ways_of
from bridle_audit.rule import Rule
from bridle_audit.rules import RULES
from bridle_audit.run.files import rule_pages

__all__ = ["rule_documents"]


def rule_documents() -> dict[str, str]:
    """Return every page by its path in the repository, with the text that it should have."""
    pages = {f"{PAGES}/{rule.name}.md": rule_page(rule) for rule in RULES.values()}
    return {f"{PAGES}/index.md": rule_index(), **pages}


def source(rule: Rule) -> str:
    """Return the folder of a rule in the repository."""
    distribution = rule.package.partition(".")[0].replace("_", "-")
    return f"packages/{distribution}/src/{rule.package.replace('.', '/')}"


def rule_page(rule: Rule) -> str:
    """Write a rule's page in Markdown, with all that ``bridle-audit --explain`` shows."""
    (said,) = rule_pages([rule])
    sections = {
        "What it finds": prose(said.what),
        "How it is found": "\n".join(f"- {way.words}: `{way.command}`" for way in ways_of(said)),
        "Why it hurts": prose(said.why),
        "Example": code(said.example, "python"),
        "Use instead": code(said.instead, "python"),
        "How to allow it": f"{how_to_allow(said)}.",
        "References": "\n".join(f"- {prose(each)}" for each in said.references.splitlines()),
    }
    parts = [
        MADE.format(source(rule)),
        f"# {rule.name}",
        f"[All rules](index.md) · {rule.severity}: {MEANING[rule.severity]} · [source](../../../{source(rule)})",
        prose(said.summary),
        *(f"## {heading}\n\n{text}" for heading, text in sections.items()),
    ]
    return "\n\n".join(parts) + "\n"


def rule_index() -> str:
    """Write the page that lists all pages."""
    parts = [
        MADE.format("the rules in packages/*/src/*/rules"),
        "# Rules of the audit",
        "By severity. `bridle-audit --explain RULE` shows the same in a terminal. [How to run the audit](../index.md)",
    ]
    for severity, rules in by_severity(rule_pages(RULES.values())).items():
        rows = [(f"[{rule.name}]({rule.name}.md)", prose(rule.summary), ", ".join(subjects(rule))) for rule in rules]
        listed = table(("rule", "what it finds", "in"), rows) if rows else "None."
        parts.append(f"## {severity}\n\n{MEANING[severity].capitalize()}.\n\n{listed}")
    return "\n\n".join(parts) + "\n"
