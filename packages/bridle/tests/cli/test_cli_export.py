"""`bridle export`: a study written for TensorBoard and MLflow, and a sentence where that cannot be."""

import sys

import pytest
from command_line import run
from studies import study

from needed import library


@pytest.fixture
def saved(tmp_path):
    study(recipes=("none", "Dropout(rate=0.2)"), seeds=2, epochs=2).save(tmp_path / "study" / "study.json")
    return tmp_path / "study"


def test_for_tensorboard_a_folder_is_written_and_said(saved, tmp_path):
    library("tensorboard")
    done = run("export", "tensorboard", saved, tmp_path / "events")
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"tensorboard --logdir {tmp_path / 'events'}" in done.stderr
    assert len(list((tmp_path / "events").glob("*/seed-*/events*"))) == 4
    again = run("export", "tensorboard", saved, tmp_path / "events")
    assert (again.exit_code, again.stderr.count("is not an empty folder")) == (2, 1)


@pytest.mark.slow  # its database takes seconds to make
@pytest.mark.filterwarnings("default")  # what MLflow's own packages warn of is theirs
def test_for_mlflow_the_runs_id_is_printed(saved, tmp_path, monkeypatch):
    library("mlflow")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/tracked.db"
    done = run("export", "mlflow", saved / "study.json", "--tracking-uri", uri, "--experiment", "mine")
    assert done.exit_code == 0, done.stderr
    from mlflow import MlflowClient

    found = MlflowClient(uri).get_run(done.stdout.strip())
    assert MlflowClient(uri).get_experiment(found.info.experiment_id).name == "mine"


@pytest.mark.parametrize("tracker", ["tensorboard", "mlflow"])
def test_without_the_library_a_sentence_says_what_to_install(saved, tmp_path, monkeypatch, tracker):
    for name in [
        name for name in sys.modules if name.partition(".")[0] == tracker or name == f"bridle.tracking.{tracker}"
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(tracker), *sys.meta_path])
    done = run("export", tracker, saved, *([tmp_path / "events"] if tracker == "tensorboard" else []))
    assert done.exit_code == 2
    assert f"pip install 'bridle[{tracker}]'" in done.stderr


class Absent:
    """Lets a package be none that is installed."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, *_):
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_a_path_without_a_study_is_a_sentence(tmp_path):
    done = run("export", "tensorboard", tmp_path / "none", tmp_path / "events")
    assert (done.exit_code, done.stderr.count("there is no study at")) == (2, 1)


def test_a_place_that_cannot_be_a_folder_is_a_sentence(saved, tmp_path):
    library("tensorboard")
    (tmp_path / "notes").write_text("of mine")
    done = run("export", "tensorboard", saved, tmp_path / "notes" / "events")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert f"{tmp_path / 'notes' / 'events'} cannot be used (Not a directory); give another" in done.stderr
