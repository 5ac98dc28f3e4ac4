"""What an interrupt leaves of a comparison, and how it goes on."""

import math

import pytest
from small_comparisons import press_ctrl_c, small, values

import bridle
from bridle import Study
from bridle.comparison import references
from bridle.comparison.trainer import ENGINES
from bridle.comparison.verdicts import notices
from bridle.report import write_html


def interrupted_after(wanted, engine):
    """That engine, with Ctrl-C pressed as soon as the runs that are ``wanted`` are finished."""

    def train_variants(data, variants, network, protocol, **options):
        yield from engine(data, [each for each in variants if wanted(each)], network, protocol, **options)
        raise KeyboardInterrupt

    return train_variants


def test_an_interrupt_gives_a_study_of_what_is_finished_and_the_next_call_the_rest(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setitem(ENGINES, "torch", interrupted_after(lambda each: each.seed < 2, ENGINES["torch"]))
        study = small(seeds=4, out=tmp_path)
    assert not study.finished and [len(each.runs) for each in study.contenders] == [2, 2]
    versus = study.contenders[1].versus_baseline
    assert versus is not None and len(versus.values) == 2
    assert study.notices == ["Interrupted: 4 runs are missing; the numbers are those of the finished runs."]
    assert values(small(seeds=4, out=tmp_path)) == values(small(seeds=4))


def test_an_interrupt_while_references_are_fitted_gives_the_study_of_all_runs(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(references, "fit_method", press_ctrl_c)
        study = small(references=True, out=tmp_path)
    assert not study.finished and study.references == [] and [len(each.runs) for each in study.contenders] == [2, 2]
    assert study.contenders[1].versus_baseline
    assert study.notices == ["Interrupted: all runs are there, the references are missing."]
    monkeypatch.setitem(ENGINES, "torch", press_ctrl_c)  # nothing is trained again
    again = small(references=True, out=tmp_path)
    assert again.finished and len(again.references) == 3 and values(again) == values(study)


def test_an_interrupt_after_trials_says_that_they_are_kept(tmp_path, monkeypatch):
    monkeypatch.setitem(ENGINES, "torch", interrupted_after(lambda each: True, ENGINES["torch"]))
    with pytest.raises(KeyboardInterrupt) as stopped:
        small(tuned=2, out=tmp_path)
    assert "before any run of the comparison itself was finished. What is trained is kept in" in str(stopped.value)
    with pytest.raises(KeyboardInterrupt, match=r"itself was finished\. Nothing is kept; with out=FOLDER"):
        small(tuned=2)


def test_one_run_that_is_missing_is_said_in_the_singular():
    (said,) = notices([], [], (0, 1), 1, "log_loss")
    assert said == "Interrupted: 1 run is missing; the numbers are those of the finished runs."


def test_an_interrupt_before_the_baseline_has_a_run_leaves_it_empty_and_the_study_can_be_saved(tmp_path, monkeypatch):
    monkeypatch.setitem(ENGINES, "torch", interrupted_after(lambda each: len(each.recipe) > 0, ENGINES["torch"]))
    study = small(seeds=3)
    none, dropout = study.contenders
    assert (none.name, none.runs, len(dropout.runs), dropout.versus_baseline) == ("none", [], 3, None)
    assert math.isnan(none.scores["valid"]["accuracy"].mean)
    study.save(tmp_path / "study.json")
    write_html(study, tmp_path / "report.html")
    assert "under-regularized" not in {found.rule for found in bridle.audit(study)}
    again = Study.load(tmp_path)
    assert again.to_json() == study.to_json() and not again.finished
