"""What AdaptiveClip's card claims: unit by unit, in proportion to the weights, as timm and Composer do it."""

import math

import pytest
import torch
from numpy.testing import assert_allclose

from bridle import AdaptiveClip
from bridle.parameter_selection import acts_on

LIMIT, EPS = 0.1, 1e-3


def as_matrix(w):
    """(outputs, inputs, positions), as a formula sees any parameter."""
    return w.reshape(len(w), -1, 1) if w.ndim < 3 else w.flatten(2)


def pair(shape, seed=0):
    """A weight and a gradient whose units differ much in length."""
    random = torch.Generator().manual_seed(seed)
    w, g = torch.randn(2, *shape, generator=random, dtype=torch.float64)
    each = torch.logspace(-3, 1, len(w), dtype=torch.float64).view(-1, *[1] * (w.ndim - 1))
    return w, g * each


def clipped(g, w, **knobs):
    """Both forms."""
    ours = AdaptiveClip.torch(as_matrix(g), as_matrix(w), **knobs)
    assert_allclose(AdaptiveClip.vanilla(as_matrix(g).numpy(), as_matrix(w).numpy(), **knobs), ours, rtol=1e-13)
    return ours.reshape(g.shape)


def timms(timm, g, w, limit, eps=EPS):
    """What timm's function makes of the gradient."""
    parameter = torch.nn.Parameter(w.clone())
    parameter.grad = g.clone()
    timm.utils.adaptive_clip_grad(parameter, clip_factor=limit, eps=eps)
    return parameter.grad


@pytest.mark.parametrize("shape", [(8, 5), (8, 3, 2, 2), (8,), (1, 5)], ids=["linear", "convolution", "bias", "one"])
@pytest.mark.parametrize("limit", [0.01, 0.5])
def test_it_is_timms_clipping(timm, shape, limit):
    w, g = pair(shape)
    assert_allclose(clipped(g, w, limit=limit, eps=EPS), timms(timm, g, w, limit), rtol=1e-13)


def test_it_is_timms_clipping_of_weights_that_are_zero(timm):
    _, g = pair((8, 5))
    w = torch.zeros_like(g)
    assert_allclose(clipped(g, w, limit=LIMIT, eps=0.5), timms(timm, g, w, LIMIT, eps=0.5), rtol=1e-13)


def test_units_of_a_single_weight_are_one_unit_here_and_many_in_timm(timm):
    w, g = pair((8, 1))
    ours, each = clipped(g, w, limit=LIMIT, eps=EPS), clipped(g.T, w.T, limit=LIMIT, eps=EPS).T
    assert_allclose(ours, each, rtol=1e-13)  # as one unit of 8 weights
    assert_allclose(ours[:, 0], timms(timm, g[:, 0], w[:, 0], LIMIT), rtol=1e-13)
    theirs = timms(timm, g, w, LIMIT)
    longest = LIMIT * w.abs().clamp(min=EPS)
    assert_allclose(theirs, g.clamp(-longest, longest), rtol=1e-13)
    assert not torch.allclose(ours, theirs)


def test_it_is_composers_clipping_without_eps():
    w, g = pair((8, 5))
    theirs = g * (LIMIT * w.norm(dim=1, keepdim=True) / g.norm(dim=1, keepdim=True)).clamp(max=1)
    assert_allclose(clipped(g, w, limit=LIMIT, eps=1e-300), theirs, rtol=1e-13)


def test_no_unit_changes_by_more_than_its_share():
    w, g = pair((20, 30))
    ours = clipped(g, w, limit=LIMIT, eps=EPS)
    shares = ours.norm(dim=1) / w.norm(dim=1)
    was_long = g.norm(dim=1) / w.norm(dim=1) > LIMIT
    assert 0 < was_long.sum() < 20
    assert_allclose(shares[was_long], LIMIT, rtol=1e-13)
    assert torch.equal(ours[~was_long], g[~was_long])


def test_units_are_clipped_each_by_itself():
    w, g = pair((8, 5))
    wild = g.clone()
    wild[0] *= 1e6
    assert torch.equal(clipped(wild, w, limit=LIMIT, eps=EPS)[1:], clipped(g, w, limit=LIMIT, eps=EPS)[1:])


def test_weights_of_zero_can_leave_it():
    g = torch.ones(3, 4, dtype=torch.float64)
    ours = clipped(g, torch.zeros_like(g), limit=LIMIT, eps=EPS)
    assert_allclose(ours.norm(dim=1), LIMIT * EPS)


def test_the_card_says_how_to_leave_out_the_output_layer():
    names = ("linear1.weight", "linear1.bias", "linear2.weight", "output.weight", "output.bias")
    chosen = [name for name in names if acts_on("linear*", name, 2)]
    assert chosen == ["linear1.weight", "linear1.bias", "linear2.weight"]


def test_without_a_limit_nothing_changes():
    w, g = pair((8, 5))
    assert torch.equal(clipped(g, w, limit=math.inf, eps=EPS), g)
    assert clipped(g * math.nan, w, limit=math.inf, eps=EPS).isnan().all()
