"""The protocol: what is refused, what is filled in, how the learning rate falls."""

import json
import math

import numpy as np
import pytest

from bridle.protocol import LEARNING_RATES, PRECISIONS, SCHEDULES, Protocol, chosen_seeds


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"optimizer": "Adam"}, "optimizer must be one of adam, adamw, sgd, momentum, got 'Adam'"),
        ({"optimizer": ["adam"]}, "optimizer must be one of"),
        ({"optimizer": None}, "optimizer must be one of"),
        ({"schedule": "linear"}, "schedule must be one of cosine, constant, got 'linear'"),
        ({"precision": "half"}, "precision must be one of auto, float64, float32, bfloat16, got 'half'"),
        ({"lr": 0}, "lr must be a positive number, got 0"),
        ({"lr": -0.1}, "lr must be a positive number"),
        ({"lr": math.nan}, "lr must be a positive number, got nan"),
        ({"lr": math.inf}, "lr must be a positive number, got inf"),
        ({"lr": 10**400}, "lr must be a positive number"),
        ({"lr": True}, "lr must be a positive number, got True"),
        ({"lr": "0.1"}, "lr must be a positive number, got '0.1'"),
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2, got 1"),
        ({"batch_size": 32.0}, "batch_size must be a whole number of at least 2, got 32.0"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"batch_size": None}, "batch_size must be a whole number"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"epochs": "ten"}, "epochs must be a whole number of at least 1, got 'ten'"),
        ({"restore_best": "yes"}, "restore_best must be one of None, True, False, got 'yes'"),
        ({"class_weight": "even"}, "class_weight must be one of None, balanced, got 'even'"),
        ({"metric": 3}, "metric must be the name of a metric, got 3"),
    ],
    ids=lambda given: str(given)[:40],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=r"^Protocol: ") as caught:
        Protocol(**wrong)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
def test_without_a_learning_rate_the_optimizers_own_is_taken(optimizer):
    assert Protocol(optimizer=optimizer).lr is None
    assert Protocol(optimizer=optimizer).peak_lr == LEARNING_RATES[optimizer]
    assert Protocol(optimizer=optimizer).learning_rate(0, 9) == LEARNING_RATES[optimizer]
    assert Protocol(optimizer=optimizer, lr=0.5).peak_lr == 0.5


def test_the_cosine_starts_at_the_learning_rate_falls_and_would_reach_zero_one_step_after_the_last():
    protocol, steps = Protocol(lr=0.4, schedule="cosine"), 100
    rates = [protocol.learning_rate(step, steps) for step in range(steps)]
    assert rates[0] == 0.4
    assert rates == sorted(rates, reverse=True)
    assert rates[steps // 2] == pytest.approx(0.2)
    assert 0 < rates[-1] < 0.4 * 3 / steps**2
    assert protocol.learning_rate(steps, steps) == pytest.approx(0, abs=1e-15)


def test_the_cosine_is_that_of_torch():
    import torch

    w = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([w], lr=0.4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    protocol = Protocol(lr=0.4)
    for step in range(20):
        assert protocol.learning_rate(step, 20) == pytest.approx(schedule.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        schedule.step()


def test_the_constant_schedule_is_constant():
    protocol = Protocol(lr=0.4, schedule="constant")
    assert {protocol.learning_rate(step, 10) for step in range(10)} == {0.4}


def test_a_single_step_is_taken_at_the_full_rate():
    assert [Protocol(lr=0.4, schedule=each).learning_rate(0, 1) for each in SCHEDULES] == [0.4, 0.4]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_json_reads_back(precision):
    protocol = Protocol(optimizer="momentum", schedule="constant", batch_size=7, epochs=3, precision=precision)
    fuller = Protocol(precision=precision, restore_best=False, metric="auroc", class_weight="balanced")
    for each in (protocol, fuller):
        assert Protocol(**json.loads(json.dumps(each.to_json()))) == each


def test_open_lengths_double_from_about_two_hundred_steps_and_a_given_one_stays():
    open_one = Protocol(batch_size=100)
    assert [open_one.lengths(rows)[0] for rows in (10, 100, 2000, 10_000, 10**6)] == [200, 200, 10, 2, 2]
    assert open_one.lengths(2000) == [10, 20, 40, 80, 160]
    assert Protocol(epochs=3).lengths(2000) == [3]


def test_the_best_epoch_is_kept_where_the_length_is_open_unless_it_is_said_otherwise():
    assert Protocol().keeps_best_epoch and Protocol().with_length(7).keeps_best_epoch
    assert not Protocol(epochs=7).keeps_best_epoch and not Protocol(epochs=3).with_length(7).keeps_best_epoch
    assert Protocol(epochs=7, restore_best=True).keeps_best_epoch
    assert not Protocol(restore_best=False).with_length(7).keeps_best_epoch
    assert Protocol().with_length(7).n_epochs == 7


def test_open_epochs_cannot_be_counted():
    with pytest.raises(ValueError, match=r"number of epochs is open; choose one of lengths\(rows\) with with_length"):
        _ = Protocol().n_epochs


def test_numbers_of_numpy_are_numbers():
    lr, batch_size, epochs, seeds = np.float32(0.5), np.int64(8), np.uint8(2), np.int64(3)  # declared are Python's own
    numpy = Protocol(lr=lr, batch_size=batch_size, epochs=epochs)  # type: ignore[arg-type]
    assert json.dumps(numpy.to_json()) == json.dumps(Protocol(lr=0.5, batch_size=8, epochs=2).to_json())
    assert list(chosen_seeds(seeds)) == [0, 1, 2]  # type: ignore[arg-type]
