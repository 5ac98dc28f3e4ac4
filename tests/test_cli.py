"""The command line, in this process and in real ones."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bridle import CATALOG, Study, __version__, compare
from bridle.cli import app, main
from bridle.data import load
from bridle.knobs import knobs
from bridle.networks import mlp
from bridle.pages import catalog_of, listing
from bridle.pages.catalog import by_whom, card, conflicts_of, in_short, plain, summary
from bridle.protocol import Protocol
from bridle.recipe import PLACES

TINY = ("compare", "--epochs", "1", "--seeds", "2", "--network", "mlp(4)", "--recipe", "Dropout(rate=0.5)")
WIDE = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


def run(*arguments):
    """The command in this process."""
    return CliRunner().invoke(app, [str(each) for each in arguments], env=WIDE)


def start(*arguments, **options):
    """The command in a process of its own, as its users start it."""
    command = [sys.executable, "-m", "bridle.cli", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", **WIDE}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored, as of a job in the background, stays so
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options)


def test_help_names_every_command_and_imports_no_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from bridle.cli import app;"
        "print(CliRunner().invoke(app, ['--help']).stdout); print('torch' in sys.modules, 'scipy' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "False False"
    for command in ("compare", "audit", "code", "list", "rules", "explain", "convert", "inspect", "reproduce"):
        assert re.search(rf"│ {command} ", shown)


def test_compare_prints_the_verdicts_and_where_the_files_are(tmp_path):
    result = run(*TINY, "--out", tmp_path / "study")
    assert result.exit_code == 0
    study = Study.load(tmp_path / "study")
    assert [each.name for each in study.contenders] == ["none", "Dropout(rate=0.5)"]
    assert f"Dropout(rate=0.5): {study.contenders[1].versus_baseline.words}" in result.stdout
    assert str(tmp_path / "study" / "report.html") in result.stdout
    assert (tmp_path / "study" / "report.html").read_text(encoding="utf-8").lower().startswith("<!doctype html")
    assert result.stderr == ""


def test_every_option_reaches_the_protocol(tmp_path):
    settings = {"optimizer": "momentum", "lr": 0.05, "schedule": "constant", "batch_size": 32, "precision": "float64"}
    options = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]
    assert run(*TINY, *options, "--engine", "vanilla", "--out", tmp_path).exit_code == 0
    study = Study.load(tmp_path)
    assert study.protocol == {"epochs": 1, **settings}
    assert (study.engine, study.network, study.seeds) == ("vanilla", "mlp(4)", [0, 1])


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
    assert json.loads(result.stdout)["version"] == 1
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


def test_the_catalog_is_listed_by_place_with_a_line_for_each_and_all_its_knobs():
    result = run("list")
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if line]
    assert [line.partition(":")[0] for line in lines if not line.startswith(" ")] == list(PLACES)
    entries = [line for line in lines if line.startswith(" ")]
    assert [line.split()[0] for line in entries] == list(CATALOG)
    for line, leaf in zip(entries, CATALOG.values(), strict=True):
        assert line.endswith(f"({', '.join(map(in_short, knobs(leaf)))})") and summary(leaf) in line
    assert "(rate=0.5, at=hidden)" in result.stdout


@pytest.mark.parametrize("width", [80, 120, 140])
def test_on_a_terminal_the_list_is_folded_to_its_width(width):
    screen = io.StringIO()
    Console(file=screen, width=width, force_terminal=True, no_color=True).print(listing(catalog_of()))
    lines = re.sub(r"\x1b\[\d*m", "", screen.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    shown = " ".join(" ".join(lines).split())
    for leaf in CATALOG.values():
        assert f"{leaf.__name__} {summary(leaf)} {in_short(knobs(leaf)[0])}" in shown


def test_one_place_is_listed_alone():
    shown = run("list", "batch").stdout
    assert [line.split()[0] for line in shown.splitlines()[1:]] == [leaf.__name__ for leaf in catalog_of()["batch"]]


def test_the_list_in_json_says_all_that_is_declared():
    listed = json.loads(run("list", "--json").stdout, parse_constant=pytest.fail)
    assert [(each["name"], each["place"]) for each in listed] == [(n, leaf.place) for n, leaf in CATALOG.items()]
    by_name = {each["name"]: each for each in listed}
    assert by_name["Dropout"]["knobs"][0] == {
        "name": "rate",
        "default": 0.5,
        "meaning": "fraction of units dropped",
        "off": 0.0,
        "low": 0.0,
        "high": 1.0,
        "open_low": False,
        "open_high": True,
        "log": False,
    }
    for name, leaf in CATALOG.items():
        declared = [(each.name, each.default, each.off) for each in knobs(leaf) if each.is_number]
        read = [(each["name"], float(each["default"]), each["off"]) for each in by_name[name]["knobs"] if "off" in each]
        assert [(*given, off if off is None else float(off)) for *given, off in read] == declared


@pytest.mark.parametrize("name", CATALOG)
def test_a_regularizer_is_explained_by_its_card_its_knobs_and_both_sources(name):
    result = run("explain", name)
    assert result.exit_code == 0
    leaf, shown = CATALOG[name], " ".join(result.stdout.split())
    for heading, text in card(leaf).sections:
        assert f"{heading}:" in shown
        assert heading == "Conflicts" or " ".join(plain(text).split()) in shown
    for each in conflicts_of(leaf):
        assert f"{each.severity} with {', '.join(each.names)}{by_whom(leaf, each)} {plain(each.sentence)}" in shown
    assert f"def {leaf.vanilla.__name__}(" in shown and f"def {leaf.torch.__name__}(" in shown
    assert all(each.meaning.split(":")[0] in shown for each in knobs(leaf))


def test_several_regularizers_are_explained_one_after_the_other():
    alone = [run("explain", name).stdout for name in ("L2", "Dropout")]
    assert run("explain", "L2", "Dropout").stdout.split() == " ".join(alone).split()
    assert run("explain", "L2", "Dropuot").stdout == ""


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


# A shell says 130 of both: `python -m` ends by the signal itself where it came within exec(), which torch calls.
STOPPED = (130, -signal.SIGINT)


def wait_for(condition, seconds=60):
    """Until it holds; fails where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path):
    command = ("compare", "--engine", "vanilla", "--epochs", "40", "--seeds", "8", "--network", "mlp(16)")
    arguments = (*command, "--recipe", "Dropout(rate=0.5)", "--out", tmp_path)
    process = start(*arguments)
    wait_for(lambda: process.poll() is not None or len(list((tmp_path / "runs").glob("[!.]*.json"))) >= 3)
    process.send_signal(signal.SIGINT)
    shown, said = process.communicate(timeout=60)
    assert process.returncode in STOPPED, said
    assert b"Stopped." in said and b"Traceback" not in said and b"none" in shown
    study = Study.load(tmp_path)
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").glob("*.json")}
    assert not study.finished and 3 <= len(kept) < 16
    assert sum(len(each.runs) for each in study.contenders) == len(kept)
    again = run(*arguments)
    assert again.exit_code == 0 and all(file.stat().st_mtime_ns == written for file, written in kept.items())
    whole = Study.load(tmp_path)
    assert whole.finished and [len(each.runs) for each in whole.contenders] == [8, 8]


@pytest.mark.parametrize("moment", ["early", "later"])
def test_ctrl_c_in_the_first_stack_says_how_far_it_got_and_the_same_command_goes_on(tmp_path, moment):
    arguments = ("compare", "--epochs", "3000", "--seeds", "2", "--recipe", "EMA", "--out", tmp_path)
    process = start(*arguments)

    def is_there():
        planned = process.poll() is not None or list((tmp_path / "stacks").glob("*.state"))
        return planned if moment == "early" else (tmp_path / "sessions.jsonl").exists()  # noted when a state is kept

    wait_for(is_there)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in STOPPED and b"Traceback" not in said
    far = re.search(r"Stopped after (\d+) of (\d+) steps of single runs, before any run was finished\.", said.decode())
    assert far and int(far[2]) == 3000 * 16 * 4
    if moment == "early":
        return
    kept = re.search(r"(\d+) of the steps are kept in .*: the same command goes on from there\.", said.decode())
    assert kept and 0 < int(kept[1]) <= int(far[1])
    told = []
    heard = partial(stop_at_once, told)
    with pytest.raises(KeyboardInterrupt):
        compare(load("digits"), ["EMA"], 2, mlp(128, 64), Protocol(epochs=3000), out=tmp_path, progress=heard)
    assert told == [(0, int(far[2])), (int(kept[1]), int(far[2]))]


def stop_at_once(told, done, total):
    """Notes what is heard, and presses Ctrl-C with the second call."""
    told.append((done, total))
    if len(told) == 2:
        raise KeyboardInterrupt


def test_ctrl_c_before_there_is_a_command_has_no_traceback(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setitem(main.__globals__, "app", interrupted)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130 and capsys.readouterr().err == "Stopped.\n"


ODD_STUDIES = {
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
    "large": lambda file: (file.touch(), os.truncate(file, 2**40)),
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


def test_a_resumed_study_has_taken_as_long_as_all_its_sessions(tmp_path):
    seconds = []
    for seeds in (2, 3, 3):
        run(*TINY, "--seeds", seeds, "--out", tmp_path)
        seconds.append(Study.load(tmp_path).made["seconds"])
    assert seconds[0] < seconds[1] <= seconds[2]


def test_a_reader_that_goes_away_gets_no_traceback(tmp_path):
    process = start(*TINY, "--out", tmp_path, "--json")
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert b"Traceback" not in said and b"Exception ignored" not in said
    assert Study.load(tmp_path).finished


DESCRIBED = "id,size,colour,flat,answer\n" + "".join(
    f"{k + 100},{'n/a' if k == 4 else k / 10},{('red', 'blue')[k % 2]},1,{'yes' if k % 3 else 'no'}\n"
    for k in range(60)
)


def test_describe_shows_what_is_made_of_each_column(tmp_path):
    (tmp_path / "t.csv").write_text(DESCRIBED)
    result = run("describe", tmp_path / "t.csv", "--target", "answer")
    assert result.exit_code == 0
    shown = [line.split() for line in result.stdout.splitlines()]
    kinds = {line[0]: line[1] for line in shown if len(line) > 1}
    assert kinds | {"id": "dropped", "size": "number", "colour": "category", "flat": "dropped"} == kinds
    assert "of 4 columns (2 dropped, 1 number, 1 category)" in result.stdout
    assert "note: column flat is left out: constant in the training rows" in result.stdout
    assert "note: column size: 'n/a' in 1 row, no number, taken for missing" in result.stdout


def test_a_wide_table_without_a_target_names_the_ends_of_its_header(tmp_path):
    (tmp_path / "t.csv").write_text(",".join(f"c{k}" for k in range(280)) + "\n" + ",".join("1" * 280) + "\n")
    ends = "c0, c1, c2, c3, c4 ... c275, c276, c277, c278, c279 (280 in all)"
    assert f"it has {ends}" in run("describe", tmp_path / "t.csv").stderr
    assert "(280 in all)" in run("describe", tmp_path / "t.csv", "--target", "zzz").stderr


def test_describe_in_json_has_columns_and_notes(tmp_path):
    (tmp_path / "t.csv").write_text(DESCRIBED)
    told = json.loads(run("describe", tmp_path / "t.csv", "--target", "answer", "--json").stdout)
    assert [column["name"] for column in told["columns"]] == ["id", "size", "colour", "flat"]
    assert "column flat is left out: constant in the training rows" in told["notes"]
    assert json.loads(run("describe", "digits", "--json").stdout)["columns"] == []


def test_describe_says_what_is_wrong_in_a_sentence(tmp_path):
    (tmp_path / "t.csv").write_text(DESCRIBED)
    wrong = run("describe", tmp_path / "t.csv", "--target", "anwser")
    assert wrong.exit_code == 2 and "did you mean answer?" in wrong.stderr and wrong.stdout == ""
    assert "no column 'siz'" in run("describe", tmp_path / "t.csv", "--target", "answer", "--categorical", "siz").stderr


def test_compare_says_on_stderr_what_is_left_out_and_the_page_shows_the_columns(tmp_path):
    (tmp_path / "t.csv").write_text(DESCRIBED)
    out = tmp_path / "study"
    result = run(*TINY[:1], tmp_path / "t.csv", *TINY[1:], "--target", "answer", "--categorical", "size", "--out", out)
    assert result.exit_code == 0
    note = "note: column flat is left out: constant in the training rows"
    assert result.stderr.count(note) == 1 and "column flat" not in result.stdout  # a reader sees it once
    assert note.removeprefix("note: ") in Study.load(out).notices
    columns = {column["name"]: column["kind"] for column in Study.load(out).data["columns"]}
    assert columns == {"id": "dropped", "size": "category", "colour": "category", "flat": "dropped"}
    page = (out / "report.html").read_text()
    assert "4 columns: what was made of each" in page and "an id by its name" in page
