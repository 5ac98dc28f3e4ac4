"""What ShrinkPerturb's card claims: when it acts, how much it puts in, the authors' code, what it leaves of answers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import ShrinkPerturb

KNOBS = {"shrink": 0.4, "spread": 0.1}


def acts(steps, every, dtype=None):
    """The steps before which it changes the weights: by the NumPy form, or by torch's with knobs of that type."""
    form: Callable[..., Any] = ShrinkPerturb.torch if dtype else ShrinkPerturb.vanilla
    of: Callable[..., Any] = torch.tensor if dtype else np.asarray
    knobs = {**KNOBS, "every": every}
    knobs = {name: torch.tensor(each, dtype=dtype) for name, each in knobs.items()} if dtype else knobs
    told = ({"step": step, "steps": steps} for step in range(steps))
    return [moment["step"] for moment in told if form(of([1.0]), of([0.0]), 1.0, **knobs, **moment)[0] != 1]


def test_it_acts_at_every_multiple_but_neither_at_the_start_nor_at_the_end():
    assert acts(100, 0.25) == [25, 50, 75]
    assert acts(20, 0.5) == [10]
    assert acts(4, 0.001) == [1, 2, 3]
    for never in (1.0, 3.0, math.inf):
        assert acts(100, never) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_forms_act_at_the_same_steps(dtype):
    for steps in (7, 60, 333):
        for every in (0.01, 0.1, 0.15, 0.25, 1 / 3, 0.7, 1.0, math.inf):
            assert acts(steps, every, dtype) == acts(steps, every), (steps, every)


def perturbed(w, noise, fan_in, **knobs):
    """Both forms, at a step at which they act."""
    told: dict[str, Any] = {"every": 0.5, "step": 5, "steps": 10}
    ours = ShrinkPerturb.vanilla(w, noise, fan_in, **knobs, **told)
    theirs = ShrinkPerturb.torch(torch.from_numpy(w), torch.from_numpy(noise), fan_in, **knobs, **told)
    assert_allclose(theirs, ours, rtol=1e-12)
    return ours


def test_what_is_put_in_has_the_deviation_of_torchs_initial_weights():
    fresh = torch.nn.Linear(400, 500, dtype=torch.float64).weight.detach()
    noise = np.random.default_rng(0).normal(size=fresh.shape)
    ours = perturbed(np.zeros(fresh.shape), noise, 400.0, shrink=0.0, spread=1.0)
    assert ours.std() == pytest.approx(fresh.std().item(), rel=5 / math.sqrt(fresh.numel()))
    assert ours.std() == pytest.approx(1 / math.sqrt(3 * 400), rel=5 / math.sqrt(2 * fresh.numel()))


def test_it_is_the_authors_formula_with_a_fresh_network_as_noise():
    random = np.random.default_rng(0)
    w, noise = random.normal(size=(2, 3, 4))
    fresh = noise / math.sqrt(3 * 4)
    assert_allclose(perturbed(w, noise, 4.0, **KNOBS), 0.4 * w + 0.1 * fresh, rtol=1e-12)
    unit = ShrinkPerturb()
    assert (unit.shrink, unit.spread) == (0.4, 0.1)


def test_shrinking_keeps_the_answers_and_takes_the_confidence():
    random = np.random.default_rng(0)
    x, layers = random.normal(size=(200, 6)), [random.normal(size=(20, 6)), random.normal(size=(3, 20))]

    def outputs(weights):
        return np.maximum(x @ weights[0].T, 0) @ weights[1].T

    before = outputs(layers)
    after = outputs([perturbed(w, np.zeros_like(w), 6.0, shrink=0.4, spread=0.0) for w in layers])
    assert (before.argmax(1) == after.argmax(1)).all()
    assert_allclose(after, 0.4**2 * before, rtol=1e-12)
