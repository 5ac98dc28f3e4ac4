"""Which rules look, and which files they look at: --select, --ignore, --exclude."""

import pytest
from audit_command import CLAMPED, RULE, found, run

from bridle_audit import audit_files

OTHER = "l2-inside-adam"
BOTH = f"{CLAMPED}\nimport torch\n\noptimizer = torch.optim.Adam(model.parameters(), weight_decay=0.1)\n"
FILES = ["a.py", "deep/b.py", "deep/old/c.py", "old/d.py"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder: files with two mistakes each, some in folders below."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(BOTH)
    return tmp_path


def rules(*options):
    return {rule for rule, _ in found(run("a.py", "--format", "json", *options))}


def files(*options):
    return sorted({file for _, file in found(run("--format", "json", *options))})


def test_without_options_all_rules_look_at_all_files():
    assert {RULE, OTHER} <= rules() and files() == FILES


def test_what_is_selected_looks_alone():
    assert rules("--select", RULE) == {RULE}
    assert rules("--select", f"{RULE},{OTHER}") == rules("--select", RULE, "--select", OTHER) == {RULE, OTHER}


def test_what_is_ignored_does_not_look():
    assert rules("--ignore", RULE) == rules() - {RULE}
    assert rules("--ignore", f"{RULE}, {OTHER}") == rules() - {RULE, OTHER}
    assert rules("--select", f"{RULE},{OTHER}", "--ignore", OTHER) == {RULE}


def test_the_selection_holds_for_factories(folder):
    (folder / "made_for_selection.py").write_text(
        f"{BOTH}\ndef make():\n    return model, optimizer, loss, (torch.randn(8, 20), torch.arange(8) % 10)\n"
    )
    target = ("made_for_selection:make", "--format", "json")
    assert {rule for rule, _ in found(run(*target))} >= {RULE, OTHER}
    assert {rule for rule, _ in found(run(*target, "--select", RULE))} == {RULE}
    assert RULE not in {rule for rule, _ in found(run(*target, "--ignore", RULE))}


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("old", ["a.py", "deep/b.py"]),
        ("old/", ["a.py", "deep/b.py"]),
        ("./old", ["a.py", "deep/b.py", "deep/old/c.py"]),
        ("deep/old", ["a.py", "deep/b.py", "old/d.py"]),
        ("deep/*", ["a.py", "old/d.py"]),
        ("[ab].py", ["deep/old/c.py", "old/d.py"]),
        ("deep/b.py,a.*", ["deep/old/c.py", "old/d.py"]),
        ("nothing", FILES),
        ("*", []),
    ],
)
def test_files_and_folders_are_excluded_by_name_path_or_pattern(folder, pattern, left):
    assert files("--exclude", pattern) == left
    assert files(".", "--exclude", pattern) == left
    audit = audit_files(["."], exclude=pattern.split(","))
    assert sorted({each.location.file for each in audit.findings if each.location}) == left


def test_a_path_to_exclude_may_be_absolute(folder):
    assert files("--exclude", folder / "deep" / "old") == ["a.py", "deep/b.py", "old/d.py"]


def test_a_file_that_is_named_is_excluded_too():
    result = run("a.py", "old/d.py", "--exclude", "old")
    assert result.stdout.endswith(" in 1 file\n") and "old/d.py" not in result.stdout


def test_a_folder_above_the_current_one_has_no_name_to_exclude(folder, monkeypatch):
    monkeypatch.chdir(folder / "old")
    assert files("--exclude", "old") == ["d.py"]
    assert files("../deep", "--exclude", "old") == ["../deep/b.py"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--select", "relu"), "--select: there is no rule 'relu'; did you mean relu-on-logits?"),
        (("--ignore", "relu"), "--ignore: there is no rule 'relu'; did you mean relu-on-logits?"),
        (("--exclude", ""), "--exclude: an empty text names nothing; leave it out"),
        (("--jobs", "-1"), "--jobs must be how many processes (1 or more), or 0 for all cores, got -1"),
        (("--rules", "--format", "sarif"), "the rules are listed as text or as json, not as 'sarif'"),
        (("--explain", "relu"), "--explain: there is no rule 'relu'; did you mean relu-on-logits?"),
    ],
)
def test_what_is_not_known_is_one_sentence(options, sentence):
    result = run(*options)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{sentence}\n")


def test_a_function_says_the_same_of_its_arguments():
    with pytest.raises(ValueError, match=r"^select: there is no rule 'relu'; did you mean relu-on-logits"):
        audit_files(["a.py"], select=["relu"])
    with pytest.raises(ValueError, match=r"^allow: there is no rule 'relu'; did you mean relu-on-logits"):
        audit_files(["a.py"], allow=["relu"])
    with pytest.raises(ValueError, match=r"^jobs must be how many processes"):
        audit_files(["a.py"], jobs=-1)
