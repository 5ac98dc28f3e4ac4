"""[tool.bridle-audit] in pyproject.toml: where it is looked for, what it says, and what the command line replaces."""

import json

import pytest
from audit_command import CLAMPED, RIGHT, RULE, found, run

OTHER = "l2-inside-adam"
BOTH = f"{CLAMPED}\nimport torch\n\noptimizer = torch.optim.Adam(model.parameters(), weight_decay=0.1)\n"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project; the current folder is one below its root."""
    below = tmp_path / "src"
    below.mkdir()
    (below / "both.py").write_text(BOTH)
    (below / "right.py").write_text(RIGHT)
    monkeypatch.chdir(below)
    return tmp_path


def settle(folder, *lines):
    (folder / "pyproject.toml").write_text("\n".join(["[tool.bridle-audit]", *lines, ""]))


def rules(*options):
    return {rule for rule, _ in found(run("--format", "json", *options))}


def test_without_settings_all_rules_look():
    assert {RULE, OTHER} <= rules()


def test_rules_are_selected_and_ignored(project):
    settle(project, f'select = ["{RULE}", "{OTHER}"]', f'ignore = ["{OTHER}"]')
    assert rules() == {RULE}


def test_the_command_line_replaces_what_the_file_says(project):
    settle(project, f'select = ["{RULE}"]', f'ignore = ["{OTHER}"]', 'fail-on = "never"', 'format = "github"')
    assert run().exit_code == 0 and run().stdout.startswith("::error file=both.py")
    assert run("--fail-on", "error").exit_code == 1
    assert rules("--select", OTHER, "--ignore", "one-seed") == {OTHER}
    assert run("--format", "text").stdout.endswith("1 error in 2 files\n")


def test_the_nearest_file_that_has_the_table_is_taken(project):
    settle(project, f'select = ["{RULE}"]')
    (project / "src" / "pyproject.toml").write_text('[project]\nname = "other"\n')
    assert rules() == {RULE}
    settle(project / "src", f'select = ["{OTHER}"]')
    assert rules() == {OTHER}


def test_paths_to_exclude_lead_from_the_file(project):
    (project / "src" / "old").mkdir()
    (project / "src" / "old" / "both.py").write_text(BOTH)
    settle(project, 'exclude = ["src/both.py"]')
    assert {file for _, file in found(run("--format", "json"))} == {"old/both.py"}
    settle(project, 'exclude = ["old"]')
    assert {file for _, file in found(run("--format", "json"))} == {"both.py"}


def test_a_folder_whose_name_has_the_signs_of_patterns_is_no_pattern(project, monkeypatch):
    odd = project / "a[b]*"
    (odd / "old").mkdir(parents=True)
    (odd / "old" / "both.py").write_text(BOTH)
    settle(odd, 'exclude = ["old/both.py"]')
    monkeypatch.chdir(odd)
    assert found(run("--format", "json")) == []


def test_the_list_of_rules_has_a_form_of_its_own(project):
    settle(project, 'format = "github"')
    assert run("--rules").stdout.startswith("error: almost surely a bug\n")
    assert json.loads(run("--rules", "--format", "json").stdout)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('selct = ["x"]', "selct: there is no such setting; did you mean select?"),
        ('output = "x"', "output: there is no such setting; known are exclude, fail-on, format, ignore, jobs, select"),
        ('ignore = ["relu"]', "ignore: there is no rule 'relu'; did you mean relu-on-logits?"),
        ('ignore = "relu-on-logits"', """ignore must be a list of texts, as in ["..."], got 'relu-on-logits'"""),
        ("exclude = [1]", """exclude must be a list of texts, as in ["..."], got a list '[1]'"""),
        ('exclude = [""]', "exclude: an empty text names nothing; leave it out"),
        ('jobs = "2"', "jobs must be how many processes (1 or more), or 0 for all cores, got '2'"),
        ("jobs = true", "jobs must be how many processes (1 or more), or 0 for all cores, got True"),
        ('format = "xml"', "format must be one of text, json, sarif, github, got 'xml'"),
        ("format = [1]", "format must be one of text, json, sarif, github, got a list '[1]'"),
        ("fail-on = 1979-05-27", "fail-on must be one of note, warning, error, never, got a date '1979-05-27'"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence_with_file_and_key(project, line, sentence):
    settle(project, line)
    result = run()
    expected = f"{project / 'pyproject.toml'}: [tool.bridle-audit] {sentence}\n"
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", expected)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"[tool.bridle-audit", "cannot be read as TOML: "),
        (b"a = '\xff'", "cannot be read as TOML: "),
        (b"[tool]\nbridle-audit = 3\n", "tool.bridle-audit must be a table, got a number"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(project, text, sentence):
    (project / "pyproject.toml").write_bytes(text)
    result = run()
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"{project / 'pyproject.toml'}") and sentence in result.stderr


@pytest.mark.parametrize("text", [b"", b"tool = 3\n", b"[tool.ruff]\nline-length = 9\n"])
def test_a_file_without_the_table_says_nothing(project, text):
    (project / "pyproject.toml").write_bytes(text)
    assert {RULE, OTHER} <= rules()
