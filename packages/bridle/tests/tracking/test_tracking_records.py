"""What trackers are told of a run: each curve point and score once, names that group, and each knob by its owner."""

import math
from dataclasses import replace

from studies import BASELINE, DROPOUT, study

from bridle.recipe import Recipe
from bridle.tracking.records import records, score_tags

TWICE = "Dropout(rate=0.1, at='input') + Dropout(rate=0.5) + L2(strength=linear(0, 0.1))"


def first(study):
    return next(records(study))


def test_every_run_is_told_and_the_baseline_is_number_zero():
    told = list(records(study(recipes=(BASELINE, DROPOUT), seeds=3)))
    assert [(each.number, each.contender.name, each.run.seed) for each in told] == [
        (number, name, seed) for number, name in enumerate((BASELINE, DROPOUT)) for seed in range(3)
    ]


def test_curves_are_grouped_by_what_they_measure_and_counted_in_epochs():
    record = first(study(epochs=3))
    run = record.run
    points = [(each.epoch, each.value) for each in record.scalars if each.tag == "loss/valid"]
    assert points == list(zip([1, 2, 3], run.curves["valid_loss"], strict=True))
    tags = {each.tag for each in record.scalars if not each.tag.startswith("score/")}
    assert tags == {"loss/step", "loss/train", "loss/valid", "accuracy/train", "accuracy/valid"}


def test_scores_stand_at_the_epoch_whose_weights_were_measured():
    made = study(epochs=5)
    made.contenders[0].runs[0].best_epoch = 2
    kept, last = (
        [each for each in record.scalars if each.tag == "score/test_log_loss"] for record in list(records(made))[:2]
    )
    assert [(each.epoch, each.value) for each in kept] == [(2, made.contenders[0].runs[0].scores["test"]["log_loss"])]
    assert [each.epoch for each in last] == [5]
    assert {each.tag for each in first(made).scalars if each.tag.startswith("score/")} == set(score_tags(made))


def test_a_diverged_run_has_no_scores_and_keeps_its_curves():
    record = first(study(diverged=[(0, 0)]))
    assert not [each for each in record.scalars if each.tag.startswith("score/")]
    assert any(math.isnan(each.value) for each in record.scalars if each.tag == "loss/valid")


def test_a_knob_is_told_by_its_owner_and_a_schedule_as_json():
    made = study(recipes=(BASELINE, DROPOUT))
    contender = replace(made.contenders[1], recipe=Recipe.parse(TWICE).to_json())
    told = next(records(replace(made, contenders=[contender]))).hyper_parameters
    assert (told["Dropout.rate"], told["Dropout.at"], told["Dropout-2.rate"]) == (0.1, "input", 0.5)
    assert told["L2.strength"] == '{"schedule": "linear", "start": 0.0, "end": 0.1}'
    assert all(isinstance(value, bool | int | float | str) for value in told.values())


def test_the_learning_rate_is_the_runs_own_then_the_contenders_then_the_protocols():
    made = study()
    assert first(made).hyper_parameters["lr"] == made.protocol["lr"]
    made.contenders[0].lr = 0.5
    assert first(made).hyper_parameters["lr"] == 0.5
    made.contenders[0].runs[0].lr = 0.25
    assert first(made).hyper_parameters["lr"] == 0.25


def test_what_was_left_open_is_not_told():
    assert not {"epochs", "class_weight"} & set(first(study(lengths=(0.1, 0.0))).hyper_parameters)
