"""What ClipNorm's card claims: direction kept, length bounded, torch's and Keras's clipping, what Adam leaves of it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from bridle import ClipNorm

LIMIT = 0.5


def gradients():
    """Those of a small network for 20 rows, float64."""
    random = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    with torch.no_grad():
        for w in network.parameters():
            w.copy_(torch.randn(w.shape, generator=random, dtype=torch.float64))
    x = torch.randn(20, 4, generator=random, dtype=torch.float64)
    nn.functional.cross_entropy(network(x), torch.arange(20) % 2).backward()
    return list(network.parameters()), [w.grad.clone() for w in network.parameters() if w.grad is not None]


def overall(tensors):
    return torch.cat([each.flatten() for each in tensors]).norm()


def clipped(given, limit):
    """Both forms, on all gradients."""
    norm = overall(given)
    ours = [ClipNorm.torch(g, norm, limit=limit) for g in given]
    for g, our in zip(given, ours, strict=True):
        assert_allclose(ClipNorm.vanilla(g.numpy(), norm.item(), limit=limit), our, rtol=1e-15)
    return ours


def test_all_gradients_together_get_the_length_of_the_limit():
    _, given = gradients()
    assert overall(given) > LIMIT
    ours = clipped(given, LIMIT)
    assert overall(ours).item() == pytest.approx(LIMIT, rel=1e-14)
    for g, our in zip(given, ours, strict=True):
        assert_allclose(our * overall(given), g * LIMIT, rtol=1e-14)  # the direction is kept


def test_shorter_gradients_pass_bit_for_bit():
    _, given = gradients()
    for limit in (overall(given).item(), 10.0, float("inf")):
        assert all(torch.equal(g, our) for g, our in zip(given, clipped(given, limit), strict=True))


@pytest.mark.parametrize("limit", [0.1, 0.5, 100.0])
def test_it_is_torchs_clipping_but_for_the_millionth_in_the_length(limit):
    parameters, given = gradients()
    norm = nn.utils.clip_grad_norm_(parameters, limit)
    share = (norm + 1e-6) / norm if norm > limit else 1.0
    for w, our in zip(parameters, clipped(given, limit), strict=True):
        assert_allclose(w.grad * share, our, rtol=1e-14)


@pytest.mark.parametrize("limit", [0.1, 0.5, 100.0])
def test_it_is_the_global_clipnorm_of_keras(limit):
    _, given = gradients()
    scale = limit * min(1 / overall(given).item(), 1 / limit)
    for g, our in zip(given, clipped(given, limit), strict=True):
        assert_allclose(g * scale, our, rtol=1e-14)


def test_one_wild_batch_moves_the_weights_no_further_than_lr_times_the_limit():
    w = torch.ones(3, dtype=torch.float64)
    for wild in (1e3, 1e9):
        g = wild * torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64)
        moved = 0.1 * ClipNorm.torch(g, g.norm(), limit=LIMIT)
        assert ((w - moved) - w).norm().item() == pytest.approx(0.1 * LIMIT)


def path(limit):
    """A weight under Adam whose gradients all are 100 long but for one, which is ten times that."""
    random = np.random.default_rng(0)
    w = nn.Parameter(torch.zeros(5, dtype=torch.float64))
    optimizer, points = torch.optim.Adam([w], lr=0.1, eps=1e-12), []
    for step in range(30):
        direction = torch.from_numpy(random.normal(size=5))
        g = direction / direction.norm() * (1000.0 if step == 15 else 100.0)
        w.grad = ClipNorm.torch(g, g.norm(), limit=limit)
        optimizer.step()
        points.append(w.detach().clone())
    return torch.stack(points)


def test_under_adam_clipping_all_gradients_alike_changes_nothing_but_the_weight_of_long_ones():
    free, tight = path(float("inf")), path(1.0)
    assert_allclose(free[:15], tight[:15], rtol=1e-9)
    assert (free[-1] - tight[-1]).abs().max() > 0.01


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_clipping_does_not_hide_a_gradient_that_is_not_finite(bad):
    g = torch.tensor([1.0, bad])
    assert ClipNorm.torch(g, g.norm(), limit=LIMIT)[1].isnan()
