"""over- and under-regularized: what the studies of their pages say, and studies that are neither."""

from __future__ import annotations

import copy

import pytest
from page_code import run_page

from bridle.results import Study
from bridle_audit.rules import RULES


@pytest.fixture(scope="module")
def studies() -> dict[tuple[str, str], Study]:
    pairs = [(rule, part) for rule in ("over-regularized", "under-regularized") for part in ("Example", "Use instead")]
    return {(rule, part): run_page(rule, part)["study"] for rule, part in pairs}


def found(rule: str, study: Study):
    return list(RULES[rule].find("study", study))


def test_the_numbers_of_the_pages(studies):
    (over,) = found("over-regularized", studies["over-regularized", "Example"])
    assert (over.numbers["train"], over.numbers["baseline's train"]) == (
        pytest.approx(0.73, abs=0.03),
        pytest.approx(0.92, abs=0.02),
    )
    (under,) = found("under-regularized", studies["under-regularized", "Example"])
    assert (under.numbers["lowest loss"], under.numbers["last loss"]) == (
        pytest.approx(0.43, abs=0.02),
        pytest.approx(0.91, abs=0.05),
    )


def test_the_words_name_the_metric_of_the_fit_and_the_one_that_chooses(studies):
    study = studies["over-regularized", "Example"]
    (over,) = found("over-regularized", study)
    assert study.metric == "log_loss"
    assert over.message.startswith("it fits less and generalizes less: training accuracy 0.7")
    assert ", validation log-loss 0." in over.message
    (under,) = found("under-regularized", studies["under-regularized", "Example"])
    assert " in accuracy between training and validation rows" in under.message


def test_each_finds_the_same_whichever_metric_chooses(studies):
    under = copy.deepcopy(studies["under-regularized", "Example"])
    numbers = [each.numbers for each in found("under-regularized", under)]
    under.metric, under.higher_is_better = "accuracy", True
    assert [each.numbers.keys() for each in found("under-regularized", under)] == [each.keys() for each in numbers]


def test_each_is_silent_on_the_studies_of_the_other(studies):
    assert found("under-regularized", studies["over-regularized", "Example"]) == []
    assert found("over-regularized", studies["under-regularized", "Example"]) == []


def test_a_study_that_was_saved_says_the_same(studies, tmp_path):
    for rule in ("over-regularized", "under-regularized"):
        study = studies[rule, "Example"]
        study.save(tmp_path / "study.json")
        assert found(rule, Study.load(tmp_path / "study.json")) == found(rule, study)


def test_the_cure_is_milder(studies):
    (over,) = found("over-regularized", studies["over-regularized", "Example"])
    assert over.cure == "bridle.compare(data, ['Dropout(rate=0.475)'])"


def test_runs_that_diverged_are_judged_by_nobody(studies):
    for rule in ("over-regularized", "under-regularized"):
        study = copy.deepcopy(studies[rule, "Example"])
        for contender in study.contenders:
            contender.runs[0].diverged_at = 3
        assert found(rule, study) == []


def test_one_seed_cannot_say_that_something_hurts(studies):
    study = copy.deepcopy(studies["over-regularized", "Example"])
    for contender in study.contenders:
        contender.versus_baseline = None
    assert found("over-regularized", study) == []
