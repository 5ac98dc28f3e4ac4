"""What ClipValue's card claims: torch's clipping, number by number, and what it does to the direction."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import ClipNorm, ClipValue


@pytest.mark.parametrize("limit", [0.1, 1.0, 100.0, math.inf])
def test_it_is_torchs_clip_grad_value(limit):
    w = torch.nn.Parameter(torch.zeros(1000))
    w.grad = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    ours = ClipValue.torch(w.grad, limit=limit)
    by_hand = ClipValue.vanilla(w.grad.numpy(), limit=limit)
    torch.nn.utils.clip_grad_value_([w], limit)
    assert torch.equal(ours, w.grad)
    assert np.array_equal(by_hand, w.grad.numpy())


def test_other_numbers_keep_their_size_when_one_explodes():
    g = torch.tensor([0.1, -0.2, 1e6])
    assert ClipValue.torch(g, limit=1.0)[:2].tolist() == g[:2].tolist()
    assert ClipNorm.torch(g, g.norm(), limit=1.0)[:2].abs().max() < 1e-6


def test_where_everything_is_clipped_the_signs_are_left():
    g = torch.tensor([3.0, -40.0, 500.0])
    assert_allclose(ClipValue.torch(g, limit=0.5), 0.5 * g.sign())


@pytest.mark.parametrize("limit", [1.0, math.inf])
def test_a_gradient_that_is_no_number_stays_none(limit):
    assert ClipValue.torch(torch.tensor([math.nan]), limit=limit).isnan().all()
    assert np.isnan(ClipValue.vanilla(np.array([math.nan]), limit=limit)).all()
