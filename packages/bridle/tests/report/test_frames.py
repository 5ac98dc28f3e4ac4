"""Studies and runs as pandas frames: every number under a name, with its type, and nothing left out."""

import math
import subprocess
import sys

import pandas as pd
import pytest
from studies import BASELINE, DROPOUT, study

COLUMNS = ["recipe", "seed", "lr", "epochs", "best_epoch", "seconds"]


def test_a_frame_has_a_row_for_each_run_and_a_column_for_each_score():
    made = study(recipes=(BASELINE, DROPOUT), seeds=3)
    frame = made.to_frame()
    assert list(frame.columns[:6]) == COLUMNS
    assert list(zip(frame["recipe"], frame["seed"], strict=True)) == [
        (name, seed) for name in (BASELINE, DROPOUT) for seed in range(3)
    ]
    run = made.contenders[1].runs[2]
    for split, scores in run.scores.items():
        for metric, value in scores.items():
            assert frame.loc[5, f"{split}_{metric}"] == value
    assert len(frame.columns) == 6 + sum(map(len, run.scores.values()))
    means = frame.groupby("recipe")["valid_log_loss"].mean()
    assert means[DROPOUT] == pytest.approx(made.contenders[1].scores["valid"]["log_loss"].mean)


def test_types_hold_where_values_are_missing():
    made = study(recipes=(BASELINE, DROPOUT), seeds=2, diverged=[(1, 0)])
    made.contenders[0].runs[1].best_epoch = 7
    frame = made.to_frame()
    assert [None if pd.isna(each) else each for each in frame["best_epoch"]] == [None, 7, None, None]
    assert frame["best_epoch"].dtype == "Int64"
    assert frame["epochs"].tolist() == [20] * 4
    assert frame["test_accuracy"].isna().tolist() == [False, False, True, False]
    assert all(frame[name].dtype == "float64" for name in ("lr", "seconds", "test_accuracy"))


def test_a_learning_rate_is_the_runs_own_then_the_contenders_then_the_protocols():
    made = study(recipes=(BASELINE, DROPOUT), seeds=2)
    made.contenders[1].lr, made.contenders[1].runs[1].lr = 0.5, 0.25
    assert made.to_frame()["lr"].tolist() == [0.002, 0.002, 0.5, 0.25]
    made.protocol["lr"] = None
    assert made.to_frame()["lr"].isna().tolist() == [True, True, False, False]


def test_an_unfinished_study_has_the_runs_that_it_has():
    made = study(recipes=(BASELINE, DROPOUT), seeds=2, finished=False)
    made.contenders[1].runs.clear()
    assert made.to_frame()["recipe"].tolist() == [BASELINE, BASELINE]


def test_trials_have_a_row_each_and_the_chosen_one_is_marked():
    made = study(recipes=(BASELINE, DROPOUT), trials=4)
    frame = made.trials_frame()
    assert list(frame.columns) == ["asked", "recipe", "lr", "epochs", "rungs", "score", "chosen"]
    assert frame["asked"].tolist() == [BASELINE] * 4 + [DROPOUT] * 4
    tried = made.contenders[1].trials
    assert frame["score"].tolist()[4:] == [min(trial.scores) for trial in tried]
    assert frame["rungs"].tolist()[4:] == [len(trial.scores) for trial in tried]
    chosen = frame[frame["chosen"] & (frame["asked"] == DROPOUT)]
    assert (chosen["recipe"].unique().tolist(), chosen["lr"].unique().tolist()) == ([DROPOUT], [0.002])


def test_a_trials_score_is_the_best_that_its_metric_knows():
    made = study(task="regression", recipes=(BASELINE,), trials=2)
    made.contenders[0].trials[0].scores[:] = [math.nan, 0.5, 0.4]
    made.contenders[0].trials[1].scores[:] = [math.nan]
    assert made.trials_frame()["score"].fillna(-1).tolist() == [0.5, -1]


def test_without_tuning_there_are_no_trials_but_their_columns():
    frame = study().trials_frame()
    assert len(frame) == 0
    assert frame.dtypes[["score", "chosen"]].astype(str).tolist() == ["float64", "bool"]


def test_a_run_has_a_row_for_each_epoch():
    run = study(epochs=3).contenders[0].runs[0]
    frame = run.to_frame()
    assert frame.columns[0] == "epoch"
    assert frame["epoch"].tolist() == [1, 2, 3]
    assert {name: frame[name].tolist() for name in frame.columns} == run.curves
    run.curves.clear()
    assert run.to_frame().empty


def test_results_are_read_and_printed_without_pandas_numpy_and_torch(tmp_path):
    study(recipes=(BASELINE, DROPOUT), seeds=2).save(tmp_path / "study.json")
    program = f"""if True:
        import sys
        from bridle.results import Study
        made = Study.load({str(tmp_path)!r})
        repr(made), str(made), made._repr_html_(), made.contenders[0].runs[0]._repr_html_()
        print(sorted({{"pandas", "numpy", "torch"}} & set(sys.modules)))
    """
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout == "[]\n", ended.stderr
