"""Every rule: its page is whole, its example fires from all its sides, and what to use instead is silent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from blocks import findings_of

from bridle_audit import rules
from bridle_audit.findings import SEVERITIES, Finding
from bridle_audit.rules import RULES

SIDES = [pytest.param(rule, kind, id=f"{rule.name}-{kind}") for rule in RULES.values() for kind in rule.checks]
EVERY = [pytest.param(rule, id=rule.name) for rule in RULES.values()]


@pytest.mark.parametrize(("rule", "kind"), SIDES)
def test_the_example_fires(rule, kind):
    found = [each for each in findings_of(kind, rule.page["Example"]) if each.rule == rule.name]
    assert found, f"{rule.name} finds nothing in its own example"
    assert any(each.severity == rule.severity for each in found)
    for each in found:
        check_finding(each, kind)


def check_finding(finding: Finding, kind: str) -> None:
    """What every finding has: a sentence with a number or a place, and code that cures."""
    assert finding.where or finding.place
    assert finding.message and finding.message[0] != " " and not finding.message.endswith(".")
    assert finding.cure.strip()
    assert finding.severity in SEVERITIES
    if kind == "read":
        assert finding.place is not None and finding.place.line >= 1 and finding.place.column >= 1
    elif kind in ("probe", "watched", "study"):
        assert re.search(r"\d", finding.message), f"no number in {finding.message!r}"
        assert finding.numbers


@pytest.mark.parametrize(("rule", "kind"), SIDES)
def test_what_to_use_instead_is_silent(rule, kind):
    found = findings_of(kind, rule.page["Use instead"])
    assert [each for each in found if each.rule == rule.name] == []
    assert [each for each in found if each.severity != "note"] == []


@pytest.mark.parametrize("rule", EVERY)
def test_the_page_is_whole(rule):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    assert len(rule.page.summary) <= 120 and rule.page.summary.endswith(".")
    for heading, text in rule.page.sections:
        assert text, f"{rule.name}: {heading} is empty"
    assert "http" in rule.page["References"]


def test_every_file_is_in_the_table():
    files = {path.stem for path in Path(rules.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {name.replace("-", "_") for name in RULES}
