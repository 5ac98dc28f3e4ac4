"""Going on with a study, and repeating one, from its folder alone."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridle import Data, Protocol, Study, load, mlp
from bridle.comparison import compare
from bridle.comparison.rerun import rerun, resume
from bridle.comparison.store import stored_runs
from bridle.comparison.trainer import ENGINES
from bridle.errors import InputError

SHORT = Protocol(lr=0.01, batch_size=64, epochs=2)
SMALL: dict[str, Any] = {"recipes": ["Dropout(rate=0.5)"], "seeds": 3, "network": mlp(4), "protocol": SHORT}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "table.csv"
    rows = (f"{k * 37 % 101 / 10},{k % 7},{'yes' if k * 37 % 101 + k % 7 > 50 else 'no'}" for k in range(200))
    path.write_text("\n".join(["a,b,answer", *rows]))
    return path


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an open length be one of 2, 4 and 8 epochs."""
    monkeypatch.setattr("bridle.protocol.FIRST_STEPS", 2)
    monkeypatch.setattr("bridle.protocol.LAST_STEPS", 1)
    monkeypatch.setattr("bridle.protocol.LAST_EPOCHS", 8)


def small(folder: Path, table: Path, **changes: Any) -> Study:
    """A study, saved as the command saves it."""
    study = compare(load(table, "answer"), **{**SMALL, "references": False, "out": folder, **changes})
    study.save(folder / "study.json")
    return study


def told(study: Study) -> Any:
    """All but times."""
    return [
        (each.name, each.scores, [(run.seed, run.lr, run.scores, run.curves) for run in each.runs])
        for each in study.contenders
    ]


def stop_after(share: float) -> Callable[[int, int], None]:
    def stop(done: int, total: int) -> None:
        if done > share * total:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("options", [{}, {"tuned": 2}, {"protocol": Protocol(batch_size=64)}, {"engine": "vanilla"}])
def test_an_interrupted_comparison_goes_on_from_its_folder_alone(
    tmp_path: Path, table: Path, options: dict[str, Any]
) -> None:
    whole = small(tmp_path / "whole", table, **options)
    try:
        interrupted = small(tmp_path / "stopped", table, progress=stop_after(0.5), **options)
        assert not interrupted.finished
    except KeyboardInterrupt:
        pass
    again = resume(tmp_path / "stopped")
    assert again.finished and told(again) == told(whole)
    assert (again.protocol, again.margin, again.metric) == (whole.protocol, whole.margin, whole.metric)


def test_a_copied_folder_goes_on_as_well(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(tmp_path / "first", table)
    shutil.copytree(tmp_path / "first", tmp_path / "elsewhere" / "copy")
    shutil.rmtree(tmp_path / "first")
    monkeypatch.setattr("bridle.comparison.trainer.ENGINES", {})  # all is there, so nothing is trained
    study = resume(tmp_path / "elsewhere" / "copy" / "study.json")
    assert told(study) == told(Study.load(tmp_path / "elsewhere" / "copy"))


def test_another_bridle_says_that_it_trains_anew(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(tmp_path, table)
    monkeypatch.setattr("bridle.comparison.rerun.__version__", "9.9")
    with pytest.warns(UserWarning, match=r"begun with bridle .*, and bridle 9.9 may train otherwise"):
        resume(tmp_path)


def test_a_repetition_is_equal_bit_for_bit(tmp_path: Path, table: Path) -> None:
    small(tmp_path / "first", table, protocol=Protocol(batch_size=64), tuned=2)
    report = rerun(tmp_path / "first", tmp_path / "second")
    count = len(list((tmp_path / "first" / "runs").iterdir()))
    assert (report.same, report.differing, report.unpaired, report.verdicts) == (count, [], 0, [])
    assert count > 6  # trials and other lengths too
    assert report.sentences() == [f"{count} runs equal bit for bit, 0 not.", "All verdicts are the same."]


def test_what_comes_out_otherwise_is_said(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = small(tmp_path / "first", table)
    train = ENGINES["torch"]

    def luckier(*given: Any, **options: Any) -> Any:
        for run in train(*given, **options):
            if run.recipe != "none":
                run.scores["valid"]["log_loss"] -= 0.25 + run.seed / 100
            yield run

    monkeypatch.setitem(ENGINES, "torch", luckier)
    report = rerun(tmp_path / "first", tmp_path / "second")
    assert (report.same, len(report.differing), report.unpaired) == (3, 3, 0)
    assert [each.size for each in report.differing] == pytest.approx([0.27, 0.26, 0.25])
    before = first.contenders[1].runs[2].scores["valid"]["log_loss"]
    (change,) = report.verdicts
    assert change.contender == "Dropout(rate=0.5)" and change.after == "helps" != change.before
    assert report.sentences() == [
        "3 runs equal bit for bit, 3 not.",
        f"Farthest apart: Dropout(rate=0.5), seed 2, log_loss on the valid rows, {before:.6g} before and "
        f"{before - 0.27:.6g} now.",
        f"Dropout(rate=0.5): the verdict was {change.before!r} and is 'helps'.",
    ]


def test_runs_that_diverge_in_one_of_both_are_infinitely_far_apart(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(tmp_path / "first", table, seeds=2)
    train = ENGINES["torch"]

    def lost(*given: Any, **options: Any) -> Any:
        for run in train(*given, **options):
            if (run.recipe, run.seed) == ("none", 1):
                run.scores["train"]["accuracy"] = math.nan
            yield run

    monkeypatch.setitem(ENGINES, "torch", lost)
    (difference,) = rerun(tmp_path / "first", tmp_path / "second").differing
    assert (difference.run, difference.split, difference.size) == ("none, seed 1", "train", math.inf)


def test_a_run_without_counterpart_is_counted(tmp_path: Path, table: Path) -> None:
    small(tmp_path / "first", table)
    (path, *_) = (tmp_path / "first" / "runs").iterdir()
    path.unlink()
    report = rerun(tmp_path / "first", tmp_path / "second")
    assert report.unpaired == 1 and "1 run of the second has no counterpart in the first." in report.sentences()


@pytest.mark.parametrize("out", ["same", "copy"])
def test_a_repetition_that_would_only_read_is_refused(tmp_path: Path, table: Path, out: str) -> None:
    small(tmp_path / "same", table)
    shutil.copytree(tmp_path / "same", tmp_path / "copy")
    with pytest.raises(
        InputError, match=r"has runs of the first study, and all must be trained again; give --out a new"
    ):
        rerun(tmp_path / "same", tmp_path / out)


def test_a_repetition_that_was_interrupted_goes_on(tmp_path: Path, table: Path) -> None:
    small(tmp_path / "first", table, engine="vanilla")
    assert not rerun(tmp_path / "first", tmp_path / "second", stop_after(0.5)).study.finished
    begun = {path: path.stat().st_mtime_ns for path in (tmp_path / "second" / "runs").iterdir()}
    report = rerun(tmp_path / "first", tmp_path / "second")
    assert report.study.finished and report.same == 6
    assert begun and all(path.stat().st_mtime_ns == written for path, written in begun.items())


def test_what_cannot_be_repeated_is_a_sentence(tmp_path: Path, table: Path) -> None:
    with pytest.raises(InputError, match=r"there is no asked\.json"):
        rerun(tmp_path, tmp_path / "out")
    small(tmp_path / "first", table, seeds=2)
    small(tmp_path / "first", table, seeds=3, progress=stop_after(0.9), engine="vanilla")
    with pytest.raises(InputError, match=r"was interrupted; `bridle resume .*first` finishes it first"):
        rerun(tmp_path / "first", tmp_path / "out")
    small(tmp_path / "other", table)
    compare(load(table, "answer"), **{**SMALL, "seeds": 2, "references": False, "out": tmp_path / "other"})
    with pytest.raises(InputError, match="is of another comparison than was asked there last"):
        rerun(tmp_path / "other", tmp_path / "out")
    data = Data([[0.0], [1.0]] * 40, [0, 1] * 40, [[0.0], [1.0]] * 9, [1, 0] * 9)
    compare(data, **{**SMALL, "references": False, "out": tmp_path / "own"})
    for again in (lambda: resume(tmp_path / "own"), lambda: rerun(tmp_path / "own", tmp_path / "out")):
        with pytest.raises(InputError, match="was made by a program of your own, which alone has its data"):
            again()
    assert not (tmp_path / "out").exists()


def test_runs_are_read_whatever_their_setting_and_others_are_passed_over(tmp_path: Path, table: Path) -> None:
    small(tmp_path, table)
    small(tmp_path, table, protocol=Protocol(lr=0.01, epochs=1))
    (tmp_path / "runs" / "odd.json").write_text("{}")
    (tmp_path / "runs" / "old.json").write_text(json.dumps({"checksum": "0" * 64, "key": {"format": 1}, "run": {}}))
    found = list(stored_runs(tmp_path))
    assert len(found) == 12 and {key["protocol"]["epochs"] for key, _ in found} == {1, 2}
