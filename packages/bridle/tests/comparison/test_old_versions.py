"""Folders of studies that older versions have written."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bridle import Protocol, Study, compare, load, mlp
from bridle.comparison.asked import read_asked
from bridle.comparison.hashes import unseal
from bridle.comparison.models import load_model
from bridle.comparison.rerun import resume
from bridle.comparison.store import stored_runs
from bridle.errors import InputError
from bridle.metric_info import TASK_METRICS
from bridle.report import comparison_table, inspection, write_html

OLD = Path(__file__).parent / "old"
VERSIONS = ("version-1", "version-2")


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy, which may be written to."""
    return Path(shutil.copytree(OLD / request.param, tmp_path / "study"))


def again(folder: Path) -> Study:
    """Compare what was compared there."""
    protocol = Protocol(lr=0.01, epochs=2, precision="float32")
    return compare("digits", ["Dropout(rate=0.2)"], 2, mlp(4), protocol, references=False, out=folder)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_study_is_read_and_reported(tmp_path: Path, version: str) -> None:
    study = Study.load(OLD / version)
    written = json.loads((OLD / version / "study.json").read_text(encoding="utf-8"))
    assert (written["version"], study.version) == (int(version[-1]), 2)
    assert [each.name for each in study.contenders] == ["none", "Dropout(rate=0.2)"] and study.seeds == [0, 1]
    known = set(TASK_METRICS["classification"])
    assert all(set(scores) <= known and "log_loss" in scores for scores in study.baseline.scores.values())
    name = {"version-1": "loss", "version-2": "log_loss"}[version]
    assert study.baseline.scores["valid"]["log_loss"].values == [
        run["scores"]["valid"][name] for run in written["contenders"][0]["runs"]
    ]
    assert study.lr_chosen is None  # which they do not say
    versus = study.contenders[1].versus_baseline
    assert versus is not None and versus.verdict in ("helps", "hurts", "the same", "cannot tell yet")
    write_html(study, tmp_path / "report.html")
    assert "Dropout(rate=0.2)" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert comparison_table(study) is not None and inspection(study) is not None


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_read_can_be_written_and_read_again(tmp_path: Path, version: str) -> None:
    study = Study.load(OLD / version)
    study.save(tmp_path / "study.json")
    assert Study.load(tmp_path).to_json() == study.to_json()


@pytest.mark.parametrize("folder", ["version-1"], indirect=True)
def test_runs_of_an_older_version_are_left_alone_and_trained_anew(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    study = again(folder)
    assert study.finished and len(list((folder / "runs").iterdir())) == 8
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(list(stored_runs(folder))) == 4  # those that this version reads


@pytest.mark.parametrize("folder", ["version-1"], indirect=True)
def test_what_was_not_noted_then_is_said(folder: Path) -> None:
    with pytest.raises(InputError, match=r"there is no asked\.json in .*, which says what was compared"):
        resume(folder)


@pytest.mark.parametrize("folder", ["version-2"], indirect=True)
def test_runs_of_the_same_bridle_are_read_and_nothing_is_trained(folder: Path, monkeypatch: Any) -> None:
    (path, *_) = (folder / "runs").iterdir()
    monkeypatch.setattr("bridle.comparison.store.__version__", unseal(path.read_bytes())["key"]["bridle"])
    monkeypatch.setattr("bridle.comparison.trainer.ENGINES", {})
    study, saved = again(folder), Study.load(folder)
    assert [each.scores for each in study.contenders] == [each.scores for each in saved.contenders]
    assert [each.runs for each in study.contenders] == [each.runs for each in saved.contenders]
    assert len(list(stored_runs(folder))) == 4 and read_asked(folder).seeds == [0, 1]


@pytest.mark.parametrize("folder", ["version-2"], indirect=True)
def test_runs_of_another_bridle_are_trained_anew(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("bridle.comparison.store.__version__", "9.9")
    assert again(folder).finished
    assert len(list((folder / "runs").iterdir())) == 8


def test_weights_are_read() -> None:
    study, data = Study.load(OLD / "version-2"), load("digits")
    for contender in study.contenders:
        best = min(contender.runs, key=lambda run: run.scores["valid"]["log_loss"])
        network = load_model(OLD / "version-2", best, mlp(4), data)
        with torch.no_grad():
            answers = network(torch.from_numpy(data.x_valid)).argmax(1).numpy()
        assert np.mean(answers == data.y_valid) == pytest.approx(best.scores["valid"]["accuracy"], abs=0.01)
