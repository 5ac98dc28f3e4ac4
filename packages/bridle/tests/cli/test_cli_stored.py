"""The commands that go on with a study from its folder, and repeat one."""

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY, run

from bridle import Data, Protocol, Study, compare, linear
from bridle.comparison.trainer import ENGINES

STUDY = (*TINY, "--lr", "0.01", "--no-references")


def luckier(*given: Any, **options: Any) -> Any:
    """Train, and give every run but the baseline's much better scores."""
    for each in ENGINES["torch"](*given, **options):
        if each.recipe != "none":
            each.scores["valid"]["log_loss"] -= 1.0 + each.seed / 1000
        yield each


def test_a_finished_study_is_printed_again_and_nothing_is_trained(tmp_path: Path, monkeypatch: Any) -> None:
    first = run(*STUDY, "--out", tmp_path)
    assert first.exit_code == 0
    monkeypatch.setattr("bridle.comparison.trainer.ENGINES", {})
    for path in (tmp_path, tmp_path / "study.json"):
        again = run("resume", path)
        assert again.exit_code == 0 and again.stdout == first.stdout


def test_a_study_that_can_only_be_read_is_printed_and_what_cannot_be_saved_is_an_error(
    tmp_path: Path, monkeypatch: Any
) -> None:
    def refused(*given: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path))

    first = run(*STUDY, "--out", tmp_path)
    monkeypatch.setattr("bridle.results.write_whole", refused)
    again = run(*STUDY, "--out", tmp_path)
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert f"nothing can be written into {tmp_path} (Read-only file system): study.json and report" in again.stderr
    (tmp_path / "study.json").unlink()
    assert run(*STUDY, "--out", tmp_path).exit_code == 2


def test_what_a_kill_left_is_finished(tmp_path: Path) -> None:
    run(*STUDY, "--out", tmp_path)
    whole = Study.load(tmp_path)
    shutil.rmtree(tmp_path / "runs")
    (tmp_path / "study.json").unlink()
    assert run("resume", tmp_path, "--json").exit_code == 0
    again = Study.load(tmp_path)
    assert [each.scores for each in again.contenders] == [each.scores for each in whole.contenders]
    assert (tmp_path / "report.html").exists()


def test_a_repetition_says_what_is_equal_and_ends_with_0(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    run(*STUDY, "--out", "study")
    result = run("rerun", "study")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "4 runs equal bit for bit, 0 not.",
        "All verdicts are the same.",
        "report: study-rerun/report.html",
    ]
    assert Study.load("study-rerun").finished and (tmp_path / "study-rerun" / "report.html").exists()


def test_a_repetition_with_another_verdict_ends_with_1(tmp_path: Path, monkeypatch: Any) -> None:
    run(*STUDY, "--out", tmp_path / "first")
    monkeypatch.setattr("bridle.comparison.trainer.ENGINES", {**ENGINES, "torch": luckier})
    result = run("rerun", tmp_path / "first", "--out", tmp_path / "second")
    assert result.exit_code == 1
    assert "2 runs equal bit for bit, 2 not." in result.stdout and "Farthest apart: " in result.stdout
    assert "Dropout(rate=0.5): the verdict was " in result.stdout and "and is 'helps'." in result.stdout


@pytest.mark.parametrize("command", ["resume", "rerun"])
def test_what_cannot_be_done_is_one_sentence(tmp_path: Path, command: str) -> None:
    data = Data([[0.0], [1.0]] * 40, [0, 1] * 40, [[0.0], [1.0]] * 9, [1, 0] * 9)
    compare(data, ["L2"], 2, linear(), Protocol(lr=0.1, epochs=1), references=False, out=tmp_path / "own")
    for folder, sentence in (
        (tmp_path / "own", "alone has its data: call bridle"),
        (tmp_path / "no", "there is no folder"),
    ):
        result = run(command, folder)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert sentence in result.stderr


def test_data_that_have_moved_are_named(tmp_path: Path) -> None:
    rows = [f"{k / 10},{k % 7},{'yes' if k % 3 else 'no'}" for k in range(90)]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["a,b,answer", *rows]))
    options = ("--target", "answer", "--split", "repeated", "--out", tmp_path / "study")
    first = run(STUDY[0], table, *STUDY[1:], *options)
    assert first.exit_code == 0
    table.rename(tmp_path / "moved.csv")
    lost = run("resume", tmp_path / "study")
    assert lost.exit_code == 2 and "table.csv" in lost.stderr
    found = run("resume", tmp_path / "study", "--data", tmp_path / "moved.csv")
    assert found.exit_code == 0 and Study.load(tmp_path / "study").finished


@pytest.mark.parametrize("command", ["resume", "rerun"])
def test_a_folder_in_the_place_of_the_report_is_told_before_anything_is_trained(tmp_path: Path, command: str) -> None:
    run(*STUDY, "--out", tmp_path / "study")
    place = tmp_path / ("study" if command == "resume" else "study-rerun")
    (place / "report.html").unlink(missing_ok=True)
    (place / "report.html").mkdir(parents=True)
    result = run(command, tmp_path / "study")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1) and "report.html is a folder" in result.stderr
    assert command == "resume" or not (place / "runs").exists()
