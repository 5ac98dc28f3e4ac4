"""The command line of the linter: what is printed and written, and errors in one sentence."""

import json
import re

import pytest
from audit_command import CLAMPED, RIGHT, RULE, run

from bridle_audit import __version__
from bridle_audit.rules import RULES
from repository import ROOT


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with one file that has a mistake and one that has none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clamped.py").write_text(CLAMPED)
    (tmp_path / "right.py").write_text(RIGHT)
    return tmp_path


def test_findings_are_printed_as_lines_and_the_exit_code_says_that_there_are_some():
    result = run("clamped.py")
    assert result.exit_code == 1 and result.stderr == ""
    found, count = result.stdout.splitlines()
    assert re.match(rf"clamped\.py:3:\d+: error {RULE}: ", found)
    assert count == "1 error in 1 file"


def test_nothing_found_is_success():
    result = run("right.py")
    assert (result.exit_code, result.stdout) == (0, "nothing found in 1 file\n")


@pytest.mark.parametrize(("least", "code"), [("error", 1), ("warning", 1), ("note", 1), ("never", 0)])
def test_the_severity_that_fails_may_be_chosen(least, code):
    assert run("clamped.py", "--fail-on", least).exit_code == code


def test_without_a_path_the_current_folder_is_read():
    result = run()
    assert result.exit_code == 1 and result.stdout.endswith("1 error in 2 files\n")


def test_a_file_that_cannot_be_read_is_told_on_stderr_and_fails_nothing(folder):
    (folder / "broken.py").write_text("def f(:\n")
    result = run("right.py", "broken.py")
    assert result.exit_code == 0 and result.stdout.startswith("nothing found in 1 file; 1 remark")
    assert result.stderr.startswith("broken.py: ") and result.stderr.count("\n") == 1


def test_json_and_sarif_are_printed_and_nothing_else():
    read = json.loads(run("clamped.py", "--format", "json").stdout)
    assert [each["rule"] for each in read["findings"]] == [RULE]
    (log,) = json.loads(run("clamped.py", "--format", "sarif").stdout)["runs"]
    (where,) = log["results"][0]["locations"]
    assert where["physicalLocation"]["artifactLocation"]["uri"] == "clamped.py"
    assert {each["id"] for each in log["tool"]["driver"]["rules"]} == set(RULES)


def test_annotations_for_github_are_printed():
    result = run("clamped.py", "--format", "github")
    assert result.stdout.startswith("::error file=clamped.py,line=3,") and result.exit_code == 1


def test_the_output_may_go_to_a_file_and_the_text_is_shown_as_well(folder):
    result = run("clamped.py", "--format", "sarif", "--output", "found.sarif")
    assert result.stdout == run("clamped.py").stdout
    assert json.loads((folder / "found.sarif").read_text())["version"] == "2.1.0"


def test_a_factory_is_imported_and_probed(folder):
    (folder / "made_for_cli.py").write_text(
        f"import torch\n{CLAMPED}\ndef make():\n"
        "    return model, None, loss, (torch.randn(8, 20), torch.arange(8) % 10)\n"
    )
    result = run("made_for_cli:make")
    assert result.exit_code == 1
    assert re.search(rf"^made_for_cli\.py:11:1: error {RULE}: the model's output: ", result.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere.py",), "there is no file or folder nowhere.py"),
        (("right.py", "--ignore", "relu-on-logit"), f"there is no rule 'relu-on-logit'; did you mean {RULE}"),
        (("right.py", "--fail-on", "errors"), "--fail-on must be one of note, warning, error, never, got 'errors'"),
        (("right.py", "--format", "xml"), "--format must be one of text, json, sarif, github, got 'xml'"),
        (("no_such_module:make",), "cannot import no_such_module"),
        (("right.py", "--output", "nowhere/found.txt"), "nowhere/found.txt"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_another_exit_code(arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert sentence in result.stderr and result.stderr.count("\n") == 1


def test_the_page_on_the_audit_shows_what_is_printed(folder):
    page = (ROOT / "docs" / "audit" / "index.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```.*?```text\n(.*?)```", page, flags=re.DOTALL)
    assert found is not None
    program, printed = found.groups()
    (folder / "train.py").write_text(program)
    assert run("train.py").stdout == printed


@pytest.mark.parametrize("words", ["src --format github", "src --format sarif --output bridle.sarif"])
def test_the_commands_of_the_page_are_taken(words, folder):
    page = (ROOT / "docs" / "audit" / "index.md").read_text(encoding="utf-8")
    assert f"- run: bridle-audit {words}\n" in page
    (folder / "src").mkdir()
    assert run(*words.split()).exit_code == 0


def test_the_hook_for_pre_commit_runs_the_command_on_scripts_and_notebooks():
    lines = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8").splitlines()
    hook = dict(line.strip("- ").split(": ", 1) for line in lines if not line.startswith("#"))
    assert (hook["id"], hook["entry"], hook["language"]) == ("bridle-audit", "bridle-audit", "python")
    assert hook["types_or"] == "[python, jupyter]"
    assert run("right.py", "--fail-on", "error").exit_code == 0


# The rules


def test_the_rules_are_listed_by_severity_with_a_line_each():
    lines = [line for line in run("--rules").stdout.splitlines() if line]
    heads = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert heads == [
        each for each in ("error", "warning", "note") if each in {rule.severity for rule in RULES.values()}
    ]
    entries = [line.split()[0] for line in lines if line.startswith(" ")]
    assert sorted(entries) == sorted(RULES)


def test_the_rules_are_listed_as_json():
    listed = json.loads(run("--rules", "--format", "json").stdout)
    assert {each["name"]: each["severity"] for each in listed} == {r.name: r.severity for r in RULES.values()}
    found_in = {each["name"]: each["found in"] for each in listed}
    assert {name: len(subjects) for name, subjects in found_in.items()} == {
        r.name: len(r.checks) for r in RULES.values()
    }
    assert {"models", "files"} <= set(found_in[RULE])


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_explained_by_its_whole_page(name):
    result = run("--explain", name)
    assert result.exit_code == 0 and result.stdout.startswith(f"{name}, {RULES[name].severity}: ")
    shown = " ".join(result.stdout.split())
    page = RULES[name].page
    texts = {
        "What it finds": page.what,
        "Why it hurts": page.why,
        "Example": page.example,
        "Use instead": page.instead,
        "References": page.references,
    }
    for heading, text in texts.items():
        assert f"{heading}:" in shown and " ".join(text.replace("``", "`").split()) in shown
    assert f"--ignore {name}" in shown


def test_several_rules_are_explained_one_after_the_other_and_an_unknown_name_says_what_is_near():
    shown = run("--explain", f"one-seed,{RULE}", "--explain", "sum-reduced-loss").stdout
    assert re.findall(r"^([\w-]+), \w+: ", shown, flags=re.MULTILINE) == ["one-seed", RULE, "sum-reduced-loss"]
    assert (
        f"--explain: there is no rule 'relu-on-logit'; did you mean {RULE}" in run("--explain", "relu-on-logit").stderr
    )


def test_the_version_is_printed():
    assert run("--version").stdout == f"bridle-audit {__version__}\n"
