"""The export for MLflow, read back with MLflow's own client from a database in a file."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from absent_packages import last_words
from studies import BASELINE, DROPOUT, study

from bridle.errors import InputError
from bridle.results import Study
from needed import library

pytestmark = [
    pytest.mark.slow,  # its database takes seconds to make
    pytest.mark.filterwarnings("default"),  # what MLflow's own packages warn of is theirs
]
library("mlflow")

from mlflow import MlflowClient  # noqa: E402

from bridle.tracking import mlflow as export  # noqa: E402
from bridle.tracking.mlflow import to_mlflow  # noqa: E402


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    made = study(recipes=(BASELINE, DROPOUT), seeds=2, epochs=4, diverged=[(1, 1)])
    made.contenders[1].runs[0].best_epoch = 3
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # MLflow keeps artifacts of a database's runs in the folder where it runs
        uri = f"sqlite:///{folder}/tracked.db"
        parent = to_mlflow(made, uri)
    return made, MlflowClient(uri), parent, folder


def children(client, parent):
    run = client.get_run(parent)
    found = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    return {each.info.run_name: each for each in found}


def test_a_study_is_a_run_with_report_and_study_as_artifacts(written):
    made, client, parent, _ = written
    run = client.get_run(parent)
    assert client.get_experiment(run.info.experiment_id).name == "bridle"
    assert (run.info.run_name, run.info.status) == ("digits, mlp(128, 64)", "FINISHED")
    assert run.data.tags["bridle.data"] == "digits"
    assert {each.path for each in client.list_artifacts(parent)} == {"report.html", "study.json"}
    kept = Path(run.info.artifact_uri, "study.json")
    assert json.loads(kept.read_text(encoding="utf-8")) == made.to_json()
    assert Study.load(kept).metric == made.metric


def test_each_run_has_its_parameters_curves_scores_and_tags(written):
    made, client, parent, _ = written
    found = children(client, parent)
    assert set(found) == {f"{name}, seed {seed}" for name in (BASELINE, DROPOUT) for seed in (0, 1)}
    told, run = found[f"{DROPOUT}, seed 0"], made.contenders[1].runs[0]
    assert told.data.params["Dropout.rate"] == "0.2"
    assert (told.data.params["seed"], told.data.params["lr"]) == ("0", "0.002")
    history = sorted(client.get_metric_history(told.info.run_id, "loss/valid"), key=lambda point: point.step)
    assert [(point.step, point.value) for point in history] == list(
        zip([1, 2, 3, 4], run.curves["valid_loss"], strict=True)
    )
    (score,) = client.get_metric_history(told.info.run_id, "score/test_accuracy")
    assert (score.step, score.value) == (3, run.scores["test"]["accuracy"])
    assert (told.data.tags["bridle.role"], told.data.tags["bridle.best_epoch"]) == ("contender", "3")
    assert found[f"{BASELINE}, seed 0"].data.tags["bridle.role"] == "baseline"


def test_a_diverged_run_says_so_and_has_no_scores(written):
    _, client, parent, _ = written
    told = children(client, parent)[f"{DROPOUT}, seed 1"]
    assert told.data.tags["bridle.diverged_at"] == "3"
    assert not [name for name in told.data.metrics if name.startswith("score/")]
    assert math.isnan(told.data.metrics["loss/valid"])


def test_a_study_written_twice_is_two_runs_of_one_experiment(written, monkeypatch):
    made, client, parent, folder = written
    monkeypatch.chdir(folder)
    again = to_mlflow(made, f"sqlite:///{folder}/tracked.db")
    assert again != parent
    assert client.get_run(again).info.experiment_id == client.get_run(parent).info.experiment_id


def test_more_metrics_than_a_request_may_have_all_arrive(written, monkeypatch):
    _, client, _, folder = written
    monkeypatch.chdir(folder)
    long = study(recipes=(BASELINE,), seeds=1, epochs=450)
    (told,) = children(client, to_mlflow(long, f"sqlite:///{folder}/tracked.db", "long")).values()
    assert len(client.get_metric_history(told.info.run_id, "loss/train")) == 450


def test_names_that_mlflow_does_not_take_are_mended(written, monkeypatch):
    _, client, _, folder = written
    monkeypatch.chdir(folder)
    made = study(recipes=(BASELINE,), seeds=1)
    run = made.contenders[0].runs[0]
    run.scores["valid"]["<lambda>"] = run.scores["valid"]["accuracy"]
    (told,) = children(client, to_mlflow(made, f"sqlite:///{folder}/tracked.db", "named")).values()
    assert told.data.metrics["score/valid__lambda_"] == run.scores["valid"]["accuracy"]


def test_a_run_whose_writing_fails_is_marked_as_failed(written, monkeypatch):
    made, client, _, folder = written
    monkeypatch.chdir(folder)
    monkeypatch.setattr(export, "write_html", lambda study, path: path.parent.joinpath("no", "folder").touch())
    with pytest.raises(FileNotFoundError):
        to_mlflow(made, f"sqlite:///{folder}/tracked.db", "failing")
    experiment = client.get_experiment_by_name("failing")
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FAILED"]


def test_a_place_that_mlflow_does_not_take_is_a_sentence():
    with pytest.raises(
        InputError, match=r"MLflow cannot write the study to 'bridle' at nowhere://x: .*unsupported URI"
    ):
        to_mlflow(study(), "nowhere://x")


def test_nothing_is_asked_over_a_network_and_the_users_setting_is_as_it_was(tmp_path):
    program = """if True:
        import os, socket
        asked = []
        def refuse(*arguments, **more):
            asked.append(arguments)
            raise OSError("no network")
        socket.socket.connect = socket.getaddrinfo = refuse
        from studies import study
        from bridle.tracking import mlflow as export
        from mlflow.telemetry.utils import is_telemetry_disabled
        seen = []
        write = export.write_study
        export.write_study = lambda *given: (seen.append(is_telemetry_disabled()), write(*given))
        export.to_mlflow(study(recipes=("none",), seeds=1), "sqlite:///tracked.db")
        print(asked, seen, is_telemetry_disabled(), os.environ.get("MLFLOW_DISABLE_TELEMETRY"))
    """
    ci = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "GITLAB_CI")
    environment = {name: value for name, value in os.environ.items() if name not in ci}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "[] [True] False None\n", ended.stderr


def test_without_mlflow_a_sentence_says_what_to_install():
    said = last_words("bridle.tracking.mlflow", without="mlflow")
    assert said.endswith("DependencyError: the export for MLflow needs MLflow: pip install 'bridle[mlflow]'")
