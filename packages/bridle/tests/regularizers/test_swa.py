"""What SWA's card claims: a plain mean of weights at equal distances, the same as torch's, counted without state."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.optim.swa_utils import AveragedModel

from bridle import SWA


def averaged(path, **knobs):
    """Both forms along a path of weights, whose first are the initial ones: the averages after each step."""
    ours, theirs = [path[0]], [torch.from_numpy(path[0])]
    for step, w in enumerate(path[1:]):
        told = {"step": step, "steps": len(path) - 1}
        ours.append(SWA.vanilla(ours[-1], w, **knobs, **told)[0])
        theirs.append(SWA.torch(theirs[-1], torch.from_numpy(w), **knobs, **told)[0])
    assert_allclose(np.stack(theirs), np.stack(ours), rtol=1e-12, atol=1e-13)
    return ours


def walk(steps):
    """Weights that wander."""
    return np.random.default_rng(0).normal(size=(steps + 1, 5)).cumsum(0)


def taken(steps, dtype=None, **knobs):
    """After how many steps a weight joins the mean, the first aside; with knobs as tensors if there is a type."""
    knobs = {name: torch.tensor(each, dtype=dtype) for name, each in knobs.items()} if dtype else knobs
    form: Callable[..., Any] = SWA.torch if dtype else SWA.vanilla
    of: Callable[..., Any] = torch.tensor if dtype else np.asarray
    return [
        step + 1
        for step in range(steps)
        if 0 < form(of(0.0), of(1.0), **knobs, step=step, steps=steps)[0] < 1  # 1: follows the weights
    ]


def test_the_average_of_a_training_is_that_of_torch():
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    theirs = AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    ours = model.weight.detach().clone()
    for step in range(40):
        optimizer.zero_grad()
        model(torch.randn(4, 3, dtype=torch.float64)).square().mean().backward()
        optimizer.step()
        if step + 1 in (20, 24, 28, 32, 36, 40):
            theirs.update_parameters(model)
        ours = SWA.torch(ours, model.weight.detach(), start=0.5, every=0.1, step=step, steps=40)[0]
    assert not torch.equal(ours, model.weight)
    assert_allclose(ours, theirs.module.get_parameter("weight").detach(), rtol=1e-12)


def test_it_is_the_mean_of_the_weights_at_equal_distances():
    path = walk(100)
    assert_allclose(averaged(path, start=0.75, every=0.05)[-1], path[[75, 80, 85, 90, 95, 100]].mean(0), rtol=1e-12)


def test_every_step_is_averaged_where_the_distance_rounds_to_less_than_one():
    path = walk(20)
    for every in (0.0, 0.01):
        assert_allclose(averaged(path, start=0.5, every=every)[-1], path[10:].mean(0), rtol=1e-12)


def test_from_the_start_on_the_initial_weights_count_as_in_the_paper():
    path = walk(20)
    assert_allclose(averaged(path, start=0.0, every=0.1)[-1], path[::2].mean(0), rtol=1e-12)


def test_the_average_follows_the_weights_until_it_starts_and_rests_between_two_models():
    path = walk(40)
    averages = averaged(path, start=0.5, every=0.25)
    assert all(np.array_equal(a, w) for a, w in zip(averages[:21], path[:21], strict=True))
    assert all(np.array_equal(a, path[20]) for a in averages[21:30])
    assert_allclose(averages[30], (path[20] + path[30]) / 2, rtol=1e-12)


@pytest.mark.parametrize("every", [0.0, 0.01, 1.0])
def test_a_start_at_the_end_never_averages(every):
    path = walk(30)
    assert all(np.array_equal(a, w) for a, w in zip(averaged(path, start=1.0, every=every), path, strict=True))


def test_the_number_of_averaged_weights_does_not_depend_on_the_number_of_steps():
    assert {len(taken(steps, start=0.75, every=0.05)) for steps in (100, 200, 1000)} == {5}


def test_once_per_epoch_is_one_over_the_epochs():
    epochs, per_epoch = 7, 13
    ends = [epoch * per_epoch for epoch in range(1, epochs + 1)]
    start = 3 / epochs
    assert taken(epochs * per_epoch, start=start, every=1 / epochs) == [end for end in ends if end > 3 * per_epoch]


@pytest.mark.parametrize("steps", [10, 97, 300])
def test_knobs_in_single_precision_take_the_same_steps(steps):
    for start in (0.1, 0.35, 0.6, 0.7, 0.8, 0.9):
        for every in (0.01, 0.03, 0.07, 0.2):
            exact = taken(steps, start=start, every=every)
            assert exact == taken(steps, torch.float32, start=start, every=every), (start, every)


def test_steps_are_counted_in_bfloat16_too():
    a, w = torch.zeros(1, dtype=torch.bfloat16), torch.ones(1, dtype=torch.bfloat16)
    told: dict[str, Any] = {"start": 0.5, "every": 0.0, "steps": 2000}
    assert SWA.torch(a, w, **told, step=1000)[0].item() == 0.5  # 1001 would be 1000 in bfloat16
    assert SWA.torch(a, w, **told, step=1001)[0].item() == pytest.approx(1 / 3, rel=0.01)


def test_the_mean_lies_nearer_to_the_optimum_than_the_weights_that_circle_around_it():
    random = np.random.default_rng(0)
    w = a = np.ones(2000)
    for step in range(400):
        w = 0.8 * w + 0.2 * random.normal(size=w.shape)  # SGD on a noisy quadratic, at a learning rate that stays
        a = SWA.vanilla(a, w, start=0.5, every=0.0, step=step, steps=400)[0]
    rim = 0.2**2 / (1 - 0.8**2)  # the variance in the long run
    n, rho = 201, 0.8  # weights in the mean, and the correlation of neighbours
    middle = rim / n * ((1 + rho) / (1 - rho) - 2 * rho * (1 - rho**n) / (n * (1 - rho) ** 2))
    spread = 5 * math.sqrt(2 / w.size)
    assert w.var() == pytest.approx(rim, rel=spread)
    assert a.var() == pytest.approx(middle, rel=spread)
    assert middle < rim / 20


def test_running_statistics_are_measured_anew_for_the_mean():
    assert SWA.reestimates and not SWA.moves_weights
