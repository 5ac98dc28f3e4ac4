"""``audit_files``: scripts, notebooks and folders, and what cannot be read among them."""

import json
import os
import re
from pathlib import Path
from types import MappingProxyType

import pytest

import bridle_audit.rules
from bridle_audit.findings import Remark
from bridle_audit.rules import RULES
from bridle_audit.run.check import check_program
from bridle_audit.run.files import audit_files
from bridle_audit.static import read_source

CLAMPED = """\
import torch
from torch import nn

model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10), nn.ReLU())
loss = nn.CrossEntropyLoss()


def step(x, y):
    value = loss(model(x), y)
    value.backward()
"""
RIGHT = CLAMPED.replace(", nn.ReLU())\nloss", ")\nloss")
RULE = "relu-on-logits"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder: one file with a mistake, one without, a notebook, and a folder below."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clamped.py").write_text(CLAMPED)
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "again.py").write_text(CLAMPED)
    cells = [("markdown", "# A title"), ("code", "import torch\nfrom torch import nn"), ("code", CLAMPED)]
    made = [{"cell_type": kind, "metadata": {}, "source": text, "outputs": []} for kind, text in cells]
    (tmp_path / "book.ipynb").write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4}))
    return tmp_path


def spots(found):
    return [(each.rule, each.location.file, each.location.cell, each.location.line) for each in found.findings]


def test_a_folder_is_read_with_all_below_it_in_a_fixed_order(folder):
    found = audit_files(["."])
    assert sorted(spots(found)) == sorted(
        [(RULE, "book.ipynb", 2, 4), (RULE, "clamped.py", None, 4), (RULE, "deeper/again.py", None, 4)]
    )
    assert set(found.files) == {"book.ipynb", "clamped.py", "deeper/again.py", "right.py"}
    assert not found.remarks
    assert spots(audit_files(["."])) == spots(found)


def test_the_rules_that_read_are_told_with_their_pages(folder):
    pages = {each.name: each for each in audit_files(["right.py"]).rules}
    assert set(pages) == {rule.name for rule in RULES.values() if "static" in rule.checks}
    page, rule = pages[RULE], RULES[RULE]
    assert (page.severity, page.summary) == (rule.severity, rule.page.summary)
    folder = Path(bridle_audit.rules.__file__).parent / RULE.replace("-", "_")
    whole = (folder / "page.md").read_text(encoding="utf-8")
    assert page.what in whole and page.why in whole
    assert all(f"- {line}" in whole for line in page.references.splitlines())
    assert page.example == (folder / "bad.py").read_text(encoding="utf-8").rstrip("\n")
    assert page.instead == (folder / "good.py").read_text(encoding="utf-8").rstrip("\n")


def test_a_file_that_is_named_twice_is_read_once(folder):
    assert audit_files(["clamped.py", ".", "clamped.py"]).files.count("clamped.py") == 1


def test_a_rule_may_be_allowed_everywhere_or_in_a_file(folder):
    assert not audit_files(["clamped.py"], allow=[RULE]).findings
    assert RULE not in [each.name for each in audit_files(["clamped.py"], allow=[RULE]).rules]
    (folder / "meant.py").write_text(CLAMPED.replace("nn.ReLU())\nloss", f"nn.ReLU())  # bridle: allow[{RULE}]\nloss"))
    assert not audit_files(["meant.py"]).findings


def test_what_cannot_be_read_gets_a_line_and_the_rest_goes_on(folder):
    (folder / "broken.py").write_text("def f(:\n")
    (folder / "old.py").write_text("import torch\nprint 'two'\n")
    (folder / "bytes.py").write_bytes(b"\x00\xff\x00")
    (folder / "empty.ipynb").write_text("{}")
    found = audit_files(["."])
    assert {each.file for each in found.remarks} == {"broken.py", "old.py", "bytes.py", "empty.ipynb"}
    assert all(each.text and "\n" not in each.text and each.file not in each.text for each in found.remarks)
    assert len(found.findings) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_devices_are_not_waited_for(folder):
    os.mkfifo("pipe.py")
    (folder / "device.py").symlink_to("/dev/null")
    found = audit_files([".", "/dev/zero"])
    assert {each.file for each in found.remarks} == {"pipe.py", "device.py", "/dev/zero"}
    assert all(each.text == "not a regular file, but a pipe or a device" for each in found.remarks)
    assert len(found.findings) == 3


def test_what_the_shell_hands_over_is_read(folder):
    reading, writing = os.pipe()
    os.write(writing, CLAMPED.encode())
    os.close(writing)
    try:
        assert spots(audit_files([f"/dev/fd/{reading}"])) == [(RULE, f"/dev/fd/{reading}", None, 4)]
    finally:
        os.close(reading)


def test_a_path_to_nothing_and_an_unknown_rule_are_errors(folder):
    with pytest.raises(ValueError, match=r"there is no file or folder nowhere\.py"):
        audit_files(["clamped.py", "nowhere.py"])
    with pytest.raises(ValueError, match="did you mean relu-on-logits"):
        audit_files(["clamped.py"], allow=["relu-on-logit"])


def test_a_rule_that_fails_on_a_file_is_told_and_the_others_go_on():
    def broken(program):
        raise KeyError("planted")
        yield

    rule = RULES[RULE]
    first, second = (
        type(rule)(name, "error", rule.page, MappingProxyType({"static": broken}))
        for name in ("first-rule", "second-rule")
    )
    remarks: list[Remark] = []
    found = list(check_program(read_source(CLAMPED, "here.py"), [first, rule, second], remarks.append))
    assert [each.rule for each in found] == [RULE]
    (said,) = map(str, remarks)
    fault = r"\(KeyError: 'planted'; test_files\.py, line \d+\)"
    assert re.fullmatch(rf"here\.py: first-rule, second-rule failed on it, a fault of test_files {fault}", said)


def test_equal_findings_are_told_once():
    rule = RULES[RULE]

    def twice(program):
        yield from rule.checks["static"](program)
        yield from rule.checks["static"](program)

    doubled = type(rule)(rule.name, "error", rule.page, MappingProxyType({"static": twice}))
    assert len(list(check_program(read_source(CLAMPED, "here.py"), [doubled], list[Remark]().append))) == 1


def test_files_that_have_to_do_with_no_network_are_not_shown_to_the_rules():
    def never(program):
        raise AssertionError
        yield

    rule = RULES[RULE]
    shy = type(rule)("shy-rule", "error", rule.page, MappingProxyType({"static": never}))
    remarks: list[Remark] = []
    assert not list(check_program(read_source("import json\n", "plain.py"), [shy], remarks.append))
    assert not remarks
