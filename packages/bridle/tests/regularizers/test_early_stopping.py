"""What EarlyStopping's card claims: the counting of Keras and scikit-learn, and a state that can be resumed."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes
from sklearn.neural_network import MLPRegressor

from bridle import EarlyStopping, GeneralizationLoss
from bridle.regularizers.stop.early_stopping import Wait

INF, NAN = float("inf"), float("nan")
VALLEY = [5.0, 4.0, 3.0, 3.5, 2.9, 3.1, 3.0, 3.2, 3.3, 2.0, 1.0]


def follow(scores, **knobs):
    """Both forms over the epochs: those that improved, and the one after which training stops (None: never)."""
    unit = EarlyStopping(**knobs)
    numbers = unit.settings(numbers=True)
    ours, theirs = Wait(*map(np.asarray, unit.state)), Wait(*map(torch.tensor, unit.state))
    improved = []
    for epoch, score in enumerate(scores):
        better, stop, ours = unit.vanilla(np.asarray(score), ours, **numbers)
        fast, over, theirs = unit.torch(torch.tensor(score), theirs, **numbers)
        assert [each.item() for each in (fast, over, *theirs)] == [
            float(np.float32(each)) for each in (better, stop, *ours)
        ]
        if better:
            improved.append(epoch)
        if stop:
            return improved, epoch
    return improved, None


def keras(scores, patience, min_delta=0.0):
    """``keras.callbacks.EarlyStopping.on_epoch_end`` (3.x) for a loss, without baseline and late start."""
    best, wait, improved = None, 0, []
    for epoch, score in enumerate(scores):
        wait += 1
        if best is None or score + min_delta < best:  # np.less(current - min_delta, best) with min_delta *= -1
            best, wait = score, 0
            improved.append(epoch)
            continue
        if wait >= patience and epoch > 0:
            return improved, epoch
    return improved, None


@pytest.mark.parametrize("patience", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("min_delta", [0.0, 0.25, 1.0])
def test_epochs_are_counted_as_in_keras(patience, min_delta):
    random = np.random.default_rng(0)
    rough = [(np.round(8 * random.uniform(size=40)) / 8).tolist() for _ in range(20)]  # coarse: ties come up
    for scores in (VALLEY, [1.0] * 8, *rough):
        ours = follow(scores, patience=patience, min_delta=min_delta)
        assert ours == keras(scores, patience, min_delta)


def test_a_training_is_stopped_after_so_many_epochs_without_improvement():
    assert follow(VALLEY, patience=3) == ([0, 1, 2, 4], 7)
    assert follow(VALLEY, patience=5) == ([0, 1, 2, 4, 9, 10], None)


def test_equal_is_not_better_and_neither_is_less_than_the_smallest_difference():
    assert follow([1.0, 1.0, 1.0], patience=2) == ([0], 2)
    assert follow([1.0, 0.75, 0.5], patience=2, min_delta=0.25) == ([0, 2], None)  # 0.5 is 0.5 better than 1


@pytest.mark.parametrize("seed", range(3))
def test_scikit_learns_networks_stop_at_the_same_epoch(seed):
    x, y = load_diabetes(return_X_y=True)
    n = 4
    fast = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.05, "batch_size": 50, "max_iter": 300}
    model = MLPRegressor(early_stopping=True, n_iter_no_change=n, tol=0.0, random_state=seed, **fast)
    model.fit(x * 20, y / 100)
    scores = [-each for each in model.validation_scores_]  # there, higher is better
    improved, stopped = follow(np.array(scores, np.float32).tolist(), patience=n + 1)
    assert stopped is not None and stopped + 1 == model.n_iter_
    assert scores[improved[-1]] == -model.best_validation_score_


def test_a_score_that_is_not_a_number_is_an_epoch_without_improvement():
    assert follow([NAN, 3.0, NAN, NAN, 2.0], patience=2) == ([1], 3)
    assert follow([NAN, NAN], patience=2) == ([], 1)
    assert follow([INF, 3.0, INF, 2.0], patience=2) == ([1, 3], None)


@pytest.mark.parametrize("unit", [EarlyStopping(patience=3), GeneralizationLoss()])
@pytest.mark.parametrize("score", [-INF, NAN])
def test_a_score_below_all_numbers_is_none_and_hides_no_later_improvement(unit, score):
    numbers = unit.settings(numbers=True)
    improved, stop, state = unit.judge(score, unit.state, numbers)
    assert not improved and not stop
    improved, stop, _ = unit.judge(0.5, state, numbers)
    assert improved and not stop


def test_an_endless_patience_never_stops_but_still_finds_the_best_epoch():
    assert follow([3.0, 1.0, *[2.0] * 1000], patience=INF) == ([0, 1], None)
    assert not EarlyStopping(patience=INF).is_off


def test_a_resumed_training_stops_where_it_would_have_stopped():
    unit = EarlyStopping(patience=3)
    numbers, stops = unit.settings(numbers=True), []
    state: tuple[float, ...] = unit.state
    for score in VALLEY[:8]:
        _, stop, state = unit.judge(score, tuple(map(float, state)), numbers)  # through plain numbers, as a file keeps
        stops.append(stop)
    assert stops == [False] * 7 + [True]


def test_variants_of_a_stack_wait_each_for_itself():
    scores = torch.tensor([[1.0, 0.9, 0.8, 0.7], [1.0, 1.1, 1.2, 1.3], [1.0, 1.1, 0.9, 1.0]])
    patience = torch.tensor([1.0, 3.0, 2.0])
    state = Wait(torch.full((3,), INF), torch.zeros(3))
    for epoch in range(4):
        score = scores[:, epoch]
        improved, stop, state = EarlyStopping.torch(score, state, patience=patience, min_delta=0.0)
    assert improved.tolist() == [1, 0, 0]
    assert stop.tolist() == [0, 1, 0]
    assert state.best.tolist() == pytest.approx([0.7, 1.0, 0.9])
    assert state.waited.tolist() == [0, 3, 1]
