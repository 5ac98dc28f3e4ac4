"""The command line: what each command prints and writes, and errors in one sentence."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import TINY, run

from bridle import Study, __version__
from bridle.report import reservations


def test_help_names_every_command_and_imports_no_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from bridle.cli import app;"
        "print(CliRunner().invoke(app, ['--help']).stdout); print('torch' in sys.modules, 'scipy' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "False False"
    for command in (
        "compare",
        "audit",
        "code",
        "list",
        "rules",
        "explain",
        "convert",
        "inspect",
        "reproduce",
        "advise",
        "rank",
        "resume",
        "rerun",
    ):
        assert re.search(rf"│ {command} ", shown)


def test_compare_prints_the_verdicts_and_where_the_files_are(tmp_path):
    result = run(*TINY, "--out", tmp_path / "study")
    assert result.exit_code == 0
    study = Study.load(tmp_path / "study")
    assert [each.name for each in study.contenders] == ["none", "Dropout(rate=0.5)"]
    versus = study.contenders[1].versus_baseline
    assert versus is not None and f"Dropout(rate=0.5): {versus.words}" in result.stdout
    assert str(tmp_path / "study" / "report.html") in result.stdout
    assert (tmp_path / "study" / "report.html").read_text(encoding="utf-8").lower().startswith("<!doctype html")
    assert result.stderr == ""


def test_compare_says_before_the_verdicts_what_spoils_them(tmp_path):
    result = run(*TINY, "--lr", "0.0000001", "--out", tmp_path / "study")  # which leaves the weights as they begin
    study = Study.load(tmp_path / "study")
    (said,) = reservations(study)
    assert said.startswith("Every recipe is worse than the majority class")
    assert result.stdout.index(said) < result.stdout.index(f"{study.contenders[1].name}: ")


def test_every_option_reaches_the_protocol(tmp_path):
    settings = {"optimizer": "momentum", "lr": 0.05, "schedule": "constant", "batch_size": 32, "precision": "float64"}
    settings |= {"class_weight": "balanced"}
    options = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]
    assert run(*TINY, *options, "--engine", "vanilla", "--out", tmp_path).exit_code == 0
    study = Study.load(tmp_path)
    assert study.protocol == {"epochs": 1, "metric": "log_loss", "restore_best": None, **settings}
    assert (study.engine, study.network, study.seeds) == ("vanilla", "mlp(4)", [0, 1])


def test_every_option_of_the_comparison_reaches_it(tmp_path):
    rows = [f"{k / 10},{k % 7},{k // 4},{'yes' if k % 3 else 'no'}" for k in range(120)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,house,answer", *rows]))
    options = ["--target", "answer", "--metric", "auroc", "--tune", "2", "--margin", "0.01", "--no-references"]
    options += ["--split", "kfold", "--split-seed", "3", "--folds", "4", "--groups", "house", "--keep-models", "all"]
    assert run(*TINY[:1], tmp_path / "table.csv", *TINY[1:], *options, "--out", tmp_path / "out").exit_code == 0
    study = Study.load(tmp_path / "out")
    assert (study.metric, study.margin, study.references, study.tuning["trials"]) == ("auroc", 0.01, [], 2)
    assert {name: study.splits[name] for name in ("kind", "seed", "folds", "groups")} == {
        "kind": "kfold",
        "seed": 3,
        "folds": 4,
        "groups": "house",
    }
    assert len(list((tmp_path / "out" / "models").iterdir())) == 4


def test_a_study_is_advised_on_and_studies_are_ranked(tmp_path):
    rows = [f"{k / 10},{k % 7},{'yes' if k % 3 else 'no'}" for k in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,answer", *rows]))
    run(*TINY, "--out", tmp_path / "first")
    run(*TINY[:1], tmp_path / "table.csv", *TINY[1:], "--target", "answer", "--out", tmp_path / "second")
    advised = run("advise", tmp_path / "first")
    assert advised.exit_code == 0 and advised.stdout.startswith("- ") and advised.stderr == ""
    told = json.loads((tmp_path / "first" / "study.json").read_text())
    (tmp_path / "half.json").write_text(json.dumps({**told, "finished": False}))
    assert "this study is not finished, and what follows rests on" in run("advise", tmp_path / "half.json").stderr
    ranked = run("rank", tmp_path / "first", tmp_path / "second", "--json")
    assert ranked.exit_code == 0
    assert set(json.loads(ranked.stdout)["methods"]) >= {"none", "linear model", "majority class"}
    assert run("rank", tmp_path / "first").exit_code == 2


def test_a_table_is_compared_by_its_target(tmp_path):
    rows = [f"{k / 10},{k % 7},{'yes' if k % 3 else 'no'}" for k in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,answer", *rows]))
    table = tmp_path / "table.csv"
    assert run(*TINY[:1], table, *TINY[1:], "--target", "answer", "--out", tmp_path).exit_code == 0
    assert Study.load(tmp_path).data["target"] == "answer"
    wrong = run(*TINY[:1], table, *TINY[1:], "--target", "anwser", "--out", tmp_path)
    assert wrong.exit_code == 2 and "answer" in wrong.stderr


def test_json_is_the_content_of_study_json_and_nothing_else(tmp_path):
    result = run(*TINY, "--out", tmp_path, "--json")
    assert result.exit_code == 0
    assert result.stdout_bytes == (tmp_path / "study.json").read_bytes()
    assert json.loads(result.stdout)["version"] == 2
    assert "report.html" in result.stderr


def test_the_same_command_again_reads_its_runs(tmp_path):
    run(*TINY, "--out", tmp_path)
    written = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()}
    assert run(*TINY, "--out", tmp_path).exit_code == 0
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()} == written


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("compare", "nowhere"), "nowhere"),
        (("compare", "--recipe", "Dropuot"), "unknown regularizer 'Dropuot'; did you mean Dropout?"),
        (("compare", "--recipe", "__import__('os')"), "unknown regularizer '__import__'"),
        (("compare", "--recipe", "Dropout(rate=2)"), "Dropout: rate must be in [0, 1), got 2"),
        (("compare", "--network", "cnn(3)"), "cannot read the network 'cnn(3)'"),
        (("compare", "--optimizer", "adm"), "optimizer must be one of adam, adamw, sgd, momentum, got 'adm'"),
        (("compare", "--lr", "-1"), "lr must be a positive number, got -1.0"),
        (("compare", "--seeds", "0"), "seeds must be how many (1 or more)"),
        (("compare", "--engine", "jax"), "engine must be one of torch, vanilla, got 'jax'"),
        (("inspect", "nowhere"), "there is no study at nowhere"),
        (("list", "btach"), "unknown place 'btach'; did you mean batch?"),
        (("explain", "dropuot"), "unknown regularizer or rule 'dropuot'; did you mean Dropout?"),
    ],
)
def test_an_error_is_one_sentence_on_stderr(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert sentence in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "bridle-study" / "study.json").exists()


def test_a_folder_that_cannot_be_written_is_an_error_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    result = run(*TINY, "--out", tmp_path / "file")
    assert result.exit_code == 2 and str(tmp_path / "file") in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--recipe", "Dropuot", "unknown regularizer 'Dropuot'; did you mean Dropout?"),
        ("--seeds", "0", "seeds must be how many (1 or more)"),
        ("--engine", "jax", "engine must be one of torch, vanilla, got 'jax'"),
        ("--network", "cnn(3)", "cannot read the network 'cnn(3)'"),
        ("--epochs", "0", "epochs must be"),
    ],
)
def test_what_is_wrong_beside_the_data_is_said_before_they_are_looked_for(option, value, sentence, tmp_path):
    result = run("compare", tmp_path / "nowhere.csv", "--target", "y", "--out", tmp_path, option, value)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and sentence in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [(*TINY, "--out"), ("describe", "digits", "--data-dir"), ("inspect",), ("audit", "right.py", "--output")],
)
def test_an_empty_path_is_not_the_current_folder(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "right.py").write_text("")
    result = run(*arguments, "")
    assert result.exit_code == 2 and result.stdout == "" and "it is empty; name a file" in result.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["right.py"]


@pytest.mark.parametrize("fault", [RuntimeError("broken"), ValueError("broken inside a library")])
def test_an_unexpected_error_keeps_its_traceback(fault, monkeypatch, tmp_path):
    def broken(*_):
        raise fault

    monkeypatch.setattr("bridle.report.write_html", broken)
    result = run(*TINY, "--out", tmp_path)
    assert result.exception is fault and result.exit_code == 1


def test_a_study_is_inspected_from_its_folder_or_its_file(tmp_path):
    run(*TINY, "--recipe", "BatchNorm", "--out", tmp_path)
    by_folder, by_file = run("inspect", tmp_path), run("inspect", tmp_path / "study.json")
    assert by_folder.exit_code == 0 and by_folder.stdout == by_file.stdout
    assert "linear1" in by_folder.stdout and "output" in by_folder.stdout


def test_the_version_is_printed():
    assert run("--version").stdout == f"bridle {__version__}\n"


def test_the_notebook_without_its_data_is_an_error_in_one_sentence(tmp_path):
    result = run("reproduce", "notebook", "--data-dir", tmp_path / "nowhere")
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and "nowhere" in result.stderr


@pytest.mark.parametrize("option", ["--epochs", "--seeds"])
def test_the_notebook_looks_at_the_numbers_before_it_looks_for_the_data(option, tmp_path):
    result = run("reproduce", "notebook", "--data-dir", tmp_path / "nowhere", option, "-1")
    assert result.exit_code == 2
    assert result.stderr == f"reproduce: {option[2:]} must be a whole number of at least 1, got -1\n"


def large_file(file: Path) -> None:
    """Write a file that is far too large to be read, and takes no room."""
    file.touch()
    os.truncate(file, 2**40)


ODD_STUDIES: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: None,
    "empty": lambda file: file.write_bytes(b""),
    "cut off": lambda file: file.write_text('{"version": 1, "data": {"na'),
    "a list": lambda file: file.write_text("[1, 2]"),
    "foreign": lambda file: file.write_text('{"version": "2.0", "cells": []}'),
    "a later version": lambda file: file.write_text('{"version": 2}'),
    "no contenders": lambda file: file.write_text('{"version": 1, "contenders": []}'),
    "binary": lambda file: file.write_bytes(bytes(range(256)) * 9),
    "a folder": lambda file: file.mkdir(),
    "a pipe": os.mkfifo,
    "large": large_file,
    "of numbers that are none": lambda file: file.write_text('{"version": NaN}'),
}


@pytest.mark.parametrize("name", ODD_STUDIES)
def test_an_odd_study_is_one_sentence(tmp_path, name):
    ODD_STUDIES[name](tmp_path / "study.json")
    for path in (tmp_path, tmp_path / "study.json"):
        result = run("inspect", path)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert str(tmp_path) in result.stderr or "format version" in result.stderr


@pytest.mark.parametrize("name", ["study.json", "report.html", "runs", "stacks", "set-aside"])
def test_what_stands_in_the_way_of_the_results_is_said_before_anything_is_trained(tmp_path, name):
    (tmp_path / name).mkdir() if "." in name else (tmp_path / name).touch()
    result = run(*TINY, "--out", tmp_path)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert str(tmp_path) in result.stderr and "give --out another folder" in result.stderr
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_a_run_that_somebody_changed_is_named_on_stderr_and_trained_again(tmp_path):
    command = (*TINY, "--out", tmp_path, "--json")
    before = run(*command)
    changed, *_ = (tmp_path / "runs").glob("*.json")
    changed.write_text(changed.read_text().replace('"accuracy": 0.', '"accuracy": 0.9'))
    again = run(*command)
    assert again.exit_code == 0 and again.stderr.count(str(changed)) == 1 and "UserWarning" not in again.stderr
    assert len(list((tmp_path / "set-aside").iterdir())) == 1
    scores = [[each["scores"] for each in json.loads(shown.stdout)["contenders"]] for shown in (before, again)]
    assert scores[0] == scores[1]
