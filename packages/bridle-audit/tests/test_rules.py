"""Every rule: its page is whole, its example fires from all its sides, and what to use instead is silent."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from blocks import findings_of

import bridle.rules
import bridle_audit.rules
from bridle_audit.findings import SEVERITIES, Finding
from bridle_audit.rules import RULES

SIDES = [pytest.param(rule, kind, id=f"{rule.name}-{kind}") for rule in RULES.values() for kind in rule.checks]
EVERY = [pytest.param(rule, id=rule.name) for rule in RULES.values()]


@pytest.mark.parametrize(("rule", "kind"), SIDES)
def test_the_example_fires(rule, kind):
    found = [each for each in findings_of(kind, rule.page.example) if each.rule == rule.name]
    assert found, f"{rule.name} finds nothing in its own example"
    assert any(each.severity == rule.severity for each in found)
    for each in found:
        check_finding(each, kind)


def check_finding(finding: Finding, kind: str) -> None:
    """What every finding has: a sentence with a number or a place, and code that cures."""
    assert finding.where or finding.location
    assert finding.message and finding.message[0] != " " and not finding.message.endswith(".")
    assert finding.cure.strip()
    assert finding.severity in SEVERITIES
    if kind == "static":
        assert finding.location is not None and finding.location.line >= 1 and finding.location.column >= 1
    elif kind in ("probe", "watch", "study"):
        assert re.search(r"\d", finding.message), f"no number in {finding.message!r}"
        assert finding.numbers


@pytest.mark.parametrize(("rule", "kind"), SIDES)
def test_what_to_use_instead_is_silent(rule, kind):
    found = findings_of(kind, rule.page.instead)
    assert [each for each in found if each.rule == rule.name] == []
    assert [each for each in found if each.severity != "note"] == []


@pytest.mark.parametrize("rule", EVERY)
def test_the_page_is_whole(rule):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    assert len(rule.page.summary) <= 120 and rule.page.summary.endswith(".")
    for heading, text in rule.page.sections:
        assert text, f"{rule.name}: {heading} is empty"
    assert "http" in rule.page.references


@pytest.mark.parametrize("package", [bridle_audit.rules, bridle.rules])
def test_every_folder_is_a_rule(package):
    folders = {path.name for path in Path(package.__file__).parent.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders and folders <= {name.replace("-", "_") for name in RULES}


@pytest.mark.parametrize("package", [bridle_audit.rules, bridle.rules])
def test_every_check_in_a_folder_is_one_of_the_rule(package):
    for file in Path(package.__file__).parent.glob("*/*.py"):
        rule = RULES[file.parent.name.replace("_", "-")]
        defined = [
            node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
        ]
        has_check = "check" in [node.name for node in defined]
        assert has_check == (file.stem in rule.checks and file.parent.parent.name == "rules"), file
