"""What Lookahead's card claims: the paper's algorithm around any optimizer, and its lower variance."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import Lookahead

STEPS = 23  # no multiple of a period: the last steps lead nowhere
SLOW = "lookahead_slow_buff"  # what timm calls the slow weights in the optimizer's state


def gradient(w):
    """Of a narrow valley."""
    return torch.tensor([1.0, 10.0], dtype=torch.float64) * w


def optimizer_of(w):
    """One with averages of its own, which Lookahead must leave alone."""
    return torch.optim.SGD([w], lr=0.05, momentum=0.9)


def with_ours(alpha, period, steps=STEPS, first=None):
    """Slow and fast weights after each step of our formula around torch's optimizer; ``first`` is a first alpha."""
    w = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer, a, path = optimizer_of(w), w.detach().clone(), []
    for step in range(steps):
        w.grad = gradient(w.detach())
        optimizer.step()
        share = alpha if first is None or step >= period else first
        a, moved = Lookahead.torch(a, w.detach(), alpha=share, period=period, step=step, steps=steps)
        w.data.copy_(moved)
        path.append((a.clone(), moved.clone()))
    return path


def algorithm_1(alpha, period, steps=STEPS):
    """The paper's: the fast weights are the model's, every k-th step the slow ones move."""
    w = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer, slow, path = optimizer_of(w), w.detach().clone(), []
    for step in range(1, steps + 1):
        w.grad = gradient(w.detach())
        optimizer.step()
        if step % period == 0:
            slow.add_(w.detach() - slow, alpha=alpha)
            w.data.copy_(slow)
        path.append((slow.clone(), w.detach().clone()))
    return path


@pytest.fixture
def with_timms(timm):
    """Slow (if there are) and fast weights after each step of timm's optimizer; ``told``: where it begins."""

    def walk(alpha, period, *, told):
        w = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
        optimizer, path = timm.optim.Lookahead(optimizer_of(w), alpha=alpha, k=period), []
        if told:
            w.grad = torch.zeros_like(w)  # it leaves alone what has no gradient
            optimizer.sync_lookahead()
        for _ in range(STEPS):
            w.grad = gradient(w.detach())
            optimizer.step()
            path.append([each.detach().clone() for each in (optimizer._base_optimizer.state[w].get(SLOW, w), w)])
        return path

    return walk


@pytest.mark.parametrize(("alpha", "period"), [(0.5, 5), (0.8, 6), (0.3, 1), (1.0, 4)])
def test_the_path_is_that_of_timm_if_that_is_told_where_it_begins(with_timms, alpha, period):
    for ours, theirs in zip(with_ours(alpha, float(period)), with_timms(alpha, period, told=True), strict=True):
        assert_allclose(ours[0], theirs[0], rtol=1e-12, atol=1e-15)
        assert_allclose(ours[1], theirs[1], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("alpha", "period"), [(0.5, 5), (0.8, 6), (0.3, 1)])
def test_otherwise_timm_begins_at_the_first_meeting(with_timms, alpha, period):
    theirs = with_timms(alpha, period, told=False)
    for step, (ours, others) in enumerate(zip(with_ours(alpha, float(period), first=1.0), theirs, strict=True)):
        assert_allclose(ours[1], others[1], rtol=1e-12, atol=1e-15)
        assert step + 1 < period or np.allclose(ours[0], others[0], rtol=1e-12, atol=1e-15)
    assert not np.allclose(with_ours(alpha, float(period))[-1][1], theirs[-1][1])


@pytest.mark.parametrize(("alpha", "period"), [(0.5, 5), (0.8, 6), (0.3, 1), (1.0, 4)])
def test_the_path_is_that_of_the_papers_algorithm(alpha, period):
    for ours, theirs in zip(with_ours(alpha, float(period)), algorithm_1(alpha, period), strict=True):
        assert_allclose(ours[0], theirs[0], rtol=1e-12, atol=1e-15)
        assert_allclose(ours[1], theirs[1], rtol=1e-12, atol=1e-15)


def test_both_forms_meet_at_the_same_steps():
    random = np.random.default_rng(0)
    a, w = random.normal(size=(2, 4, 3))
    for step in range(12):
        knobs: dict[str, Any] = {"alpha": 0.7, "period": 4.0, "step": step, "steps": 12}
        ours = Lookahead.vanilla(a, w, **knobs)
        theirs = Lookahead.torch(torch.from_numpy(a), torch.from_numpy(w), **knobs)
        assert_allclose(np.stack(theirs), np.stack(ours), rtol=1e-12)
        assert (not np.array_equal(ours[0], a)) == (step in (3, 7, 11))


def test_between_two_meetings_the_slow_weights_rest_and_the_fast_ones_are_untouched():
    a, w = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    for step in (0, 1, 2, 3, 5):
        rest = Lookahead.torch(a, w, alpha=0.5, period=5.0, step=step, steps=10)
        assert torch.equal(rest[0], a) and torch.equal(rest[1], w)


def test_the_steps_after_the_last_meeting_are_lost():
    path = with_ours(0.5, 5.0)
    assert torch.equal(path[-1][0], path[19][0])  # 20 of 23 steps: the last meeting
    assert not torch.equal(path[-1][1], path[19][1])


def test_an_alpha_of_one_leaves_the_optimizers_path_but_not_what_is_evaluated():
    path = with_ours(1.0, 4.0)
    plain = algorithm_1(1.0, STEPS + 1)  # never meets
    for step, (ours, theirs) in enumerate(zip(path, plain, strict=True)):
        assert torch.equal(ours[1], theirs[1])
        assert torch.equal(ours[0], ours[1]) == ((step + 1) % 4 == 0)
    assert not Lookahead(alpha=1.0).is_off


@pytest.mark.parametrize(("alpha", "period"), [(0.5, 5), (0.2, 3)])
def test_the_variance_in_a_noisy_valley_is_the_papers(alpha, period):
    random = np.random.default_rng(0)
    rho, spread = 0.7, 0.3  # a step keeps 70 % of the distance to the optimum and adds noise
    w = a = np.zeros(20_000)
    for step in range(60 * period):
        w = rho * w + spread * random.normal(size=w.shape)
        a, w = Lookahead.vanilla(a, w, alpha=alpha, period=float(period), step=step, steps=60 * period)
    sgd = spread**2 / (1 - rho**2)
    gain = alpha**2 * (1 - rho ** (2 * period))
    expected = gain / (gain + 2 * alpha * (1 - alpha) * (1 - rho**period)) * sgd  # proposition 2
    assert a.var() == pytest.approx(expected, rel=5 * math.sqrt(2 / a.size))
    assert expected < sgd


def test_it_moves_the_weights_that_are_trained():
    assert Lookahead.moves_weights and not Lookahead.reestimates


def test_steps_are_counted_in_bfloat16_too():
    a, w = torch.zeros(1, dtype=torch.bfloat16), torch.ones(1, dtype=torch.bfloat16)
    met = [step for step in range(1000, 1020) if Lookahead.torch(a, w, alpha=0.5, period=5.0, step=step, steps=2000)[0]]
    assert met == [1004, 1009, 1014, 1019]
