"""The commands that look for mistakes, and those that show the rules."""

import json
import re

import pytest
from command_line import run

from bridle_audit import conversions, exactness
from bridle_audit.rules import RULES
from repository import ROOT

RULE = "relu-on-logits"
CLAMPED = """\
from torch import nn

model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10), nn.ReLU())
loss = nn.CrossEntropyLoss()


def step(x, y):
    return loss(model(x), y)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with one file that has a mistake and one that has none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clamped.py").write_text(CLAMPED)
    (tmp_path / "right.py").write_text(CLAMPED.replace(", nn.ReLU())\nloss", ")\nloss"))
    return tmp_path


def test_findings_are_printed_as_lines_and_the_exit_code_says_that_there_are_some():
    result = run("audit", "clamped.py")
    assert result.exit_code == 1 and result.stderr == ""
    found, count = result.stdout.splitlines()
    assert re.match(rf"clamped\.py:3:\d+: error {RULE}: ", found)
    assert count == "1 error in 1 file"


def test_nothing_found_is_success():
    result = run("audit", "right.py")
    assert (result.exit_code, result.stdout) == (0, "nothing found in 1 file\n")


@pytest.mark.parametrize(("least", "code"), [("error", 1), ("warning", 1), ("note", 1), ("never", 0)])
def test_the_severity_that_fails_may_be_chosen(least, code):
    assert run("audit", "clamped.py", "--fail-on", least).exit_code == code


def test_rules_may_be_allowed():
    assert run("audit", "clamped.py", "--allow", RULE).exit_code == 0


def test_a_file_that_cannot_be_read_is_told_on_stderr_and_fails_nothing(folder):
    (folder / "broken.py").write_text("def f(:\n")
    result = run("audit", "right.py", "broken.py")
    assert result.exit_code == 0 and result.stdout.startswith("nothing found in 1 file; 1 remark")
    assert result.stderr.startswith("broken.py: ") and result.stderr.count("\n") == 1


def test_json_and_sarif_are_printed_and_nothing_else():
    read = json.loads(run("audit", "clamped.py", "--format", "json").stdout)
    assert [each["rule"] for each in read["findings"]] == [RULE]
    (log,) = json.loads(run("audit", "clamped.py", "--format", "sarif").stdout)["runs"]
    (where,) = log["results"][0]["locations"]
    assert where["physicalLocation"]["artifactLocation"]["uri"] == "clamped.py"
    assert {each["id"] for each in log["tool"]["driver"]["rules"]} == set(RULES)


def test_annotations_for_github_are_printed():
    result = run("audit", "clamped.py", "--format", "github")
    assert result.stdout.startswith("::error file=clamped.py,line=3,") and result.exit_code == 1


def test_the_output_may_go_to_a_file_and_the_text_is_shown_as_well(folder):
    result = run("audit", "clamped.py", "--format", "sarif", "--output", "found.sarif")
    assert result.stdout == run("audit", "clamped.py").stdout
    assert json.loads((folder / "found.sarif").read_text())["version"] == "2.1.0"


def test_a_factory_is_imported_and_probed(folder):
    (folder / "made_for_cli.py").write_text(
        f"import torch\n{CLAMPED}\ndef make():\n"
        "    return model, None, loss, (torch.randn(8, 20), torch.arange(8) % 10)\n"
    )
    result = run("audit", "made_for_cli:make")
    assert result.exit_code == 1
    assert re.search(rf"^made_for_cli\.py:11:1: error {RULE}: the model's output: ", result.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere.py",), "there is no file or folder nowhere.py"),
        (("right.py", "--allow", "relu-on-logit"), f"there is no rule 'relu-on-logit'; did you mean {RULE}"),
        (("right.py", "--fail-on", "errors"), "fail-on must be one of note, warning, error, never, got 'errors'"),
        (("right.py", "--format", "xml"), "format must be one of text, json, sarif, github, got 'xml'"),
        (("no_such_module:make",), "cannot import no_such_module"),
        (("right.py", "--output", "nowhere/found.txt"), "nowhere/found.txt"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_another_exit_code(arguments, sentence):
    result = run("audit", *arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert sentence in result.stderr and result.stderr.count("\n") == 1


def test_the_page_on_the_audit_shows_what_is_printed(folder):
    page = (ROOT / "docs" / "audit" / "index.md").read_text(encoding="utf-8")
    program, printed = re.search(r"```python\n(.*?)```.*?```text\n(.*?)```", page, flags=re.DOTALL).groups()
    (folder / "train.py").write_text(program)
    assert run("audit", "train.py").stdout == printed


@pytest.mark.parametrize("words", ["audit src --format github", "audit src --format sarif --output bridle.sarif"])
def test_the_commands_of_the_page_are_taken(words, folder):
    page = (ROOT / "docs" / "audit" / "index.md").read_text(encoding="utf-8")
    assert f"- run: bridle {words}\n" in page
    (folder / "src").mkdir()
    assert run(*words.split()).exit_code == 0


def test_the_hook_for_pre_commit_runs_the_command_on_scripts_and_notebooks():
    lines = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8").splitlines()
    hook = dict(line.strip("- ").split(": ", 1) for line in lines if not line.startswith("#"))
    assert (hook["id"], hook["entry"], hook["language"]) == ("bridle-audit", "bridle audit", "python")
    assert hook["types_or"] == "[python, jupyter]"
    assert run(*hook["entry"].split()[1:], "right.py", "--fail-on", "error").exit_code == 0


# The rules


def test_the_rules_are_listed_by_severity_with_a_line_each():
    lines = [line for line in run("rules").stdout.splitlines() if line]
    heads = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert heads == [
        each for each in ("error", "warning", "note") if each in {rule.severity for rule in RULES.values()}
    ]
    entries = [line.split()[0] for line in lines if line.startswith(" ")]
    assert sorted(entries) == sorted(RULES)


def test_the_rules_are_listed_as_json():
    listed = json.loads(run("rules", "--json").stdout)
    assert {each["name"]: each["severity"] for each in listed} == {r.name: r.severity for r in RULES.values()}
    found_in = {each["name"]: each["found in"] for each in listed}
    assert {name: len(subjects) for name, subjects in found_in.items()} == {
        r.name: len(r.checks) for r in RULES.values()
    }
    assert {"models", "files"} <= set(found_in[RULE])


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_explained_by_its_whole_page(name):
    result = run("explain", name)
    assert result.exit_code == 0 and result.stdout.startswith(f"{name}, {RULES[name].severity}: ")
    shown = " ".join(result.stdout.split())
    for heading, text in RULES[name].page.sections:
        assert f"{heading}:" in shown and " ".join(text.replace("``", "`").split()) in shown
    assert f"--allow {name}" in shown


def test_regularizers_and_rules_are_explained_together_and_unknown_names_say_what_is_near_in_both():
    shown = run("explain", "L2", RULE).stdout
    assert shown.index("L2") < shown.index(f"{RULE}, error")
    assert f"unknown regularizer or rule 'relu-on-logit'; did you mean {RULE}" in run("explain", "relu-on-logit").stderr
    assert "did you mean Dropout" in run("explain", "dropuot").stderr


# Strengths


def test_a_strength_is_converted_and_how_exact_that_is_stands_on_stderr():
    result = run("convert", "0.01", "--from", "keras.L2", "--to", "torch.SGD")
    assert (result.exit_code, result.stdout) == (0, "0.02\n")
    assert result.stderr == f"{exactness('keras.L2', 'torch.SGD')}\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--from", "torch.AdamW", "--to", "composer.DecoupledAdamW", "--lr", "1e-3"), "0.0001"),
        (("--from", "torch.AdamW", "--to", "composer.DecoupledAdamW", "--peak-lr", "1e-2"), "0.001"),
        (("--from", "sklearn.MLP", "--to", "bridle.L2", "--batch-size", "200"), "0.00025"),
        (("--from", "sklearn.Ridge", "--to", "torch.SGD", "--samples", "200"), "0.001"),
        (("--from", "torch.SGD", "--to", "torch.AdamW", "--momentum", "0.9"), "1"),
    ],
)
def test_every_number_that_a_conversion_needs_may_be_given(options, expected):
    assert run("convert", "0.1", *options).stdout == f"{expected}\n"


def test_without_a_target_a_strength_is_shown_in_all_units():
    shown = run("convert", "0.01", "--from", "keras.L2", "--lr", "0.1").stdout
    assert shown == f"{conversions(0.01, source='keras.L2', lr=0.1)}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("0.01", "--from", "kers.L2", "--to", "torch.SGD"), "did you mean keras.L2?"),
        (("0.01", "--from", "torch.AdamW", "--to", "composer.DecoupledAdamW"), "needs peak_lr="),
    ],
)
def test_what_cannot_be_converted_is_said_in_a_sentence(arguments, sentence):
    result = run("convert", *arguments)
    assert result.exit_code == 2 and sentence in result.stderr and result.stderr.count("\n") == 1
