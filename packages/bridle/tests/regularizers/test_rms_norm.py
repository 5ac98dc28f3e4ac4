"""What RMSNorm's card claims, against torch's rms_norm in float64."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import functional

from bridle import RMSNorm

BATCH, UNITS, EPS = 6, 5, 1e-3
FORMS = ("vanilla", "torch")


@pytest.fixture
def inputs():
    """Activations away from zero, gammas away from one."""
    random = np.random.default_rng(0)
    return [3 + 2 * random.normal(size=(BATCH, UNITS)), random.normal(size=UNITS)]


def forward(form, *inputs, eps=EPS):
    """One training step of either form."""
    if form == "torch":
        return RMSNorm.torch(*map(torch.from_numpy, inputs), eps=eps).numpy()
    return RMSNorm.vanilla(*inputs, eps=eps)[0]


@pytest.mark.parametrize("form", FORMS)
def test_it_is_the_rms_norm_of_torch(form, inputs):
    h, weight = map(torch.from_numpy, inputs)
    assert_allclose(forward(form, *inputs), functional.rms_norm(h, (UNITS,), weight, EPS), rtol=1e-12)


def test_gradients_are_those_of_torch(inputs):
    given = [torch.tensor(each, requires_grad=True) for each in inputs]
    g = np.random.default_rng(1).normal(size=(BATCH, UNITS))
    functional.rms_norm(given[0], (UNITS,), given[1], EPS).backward(torch.from_numpy(g))
    by_hand = RMSNorm.vanilla(*inputs, eps=EPS)[1](g)
    for ours, theirs in zip(by_hand, given, strict=True):
        assert theirs.grad is not None
        assert_allclose(ours, theirs.grad, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_eps_that_torch_takes_for_none_is_the_resolution_of_the_numbers(dtype):
    h = 1e-4 * torch.randn(BATCH, UNITS, dtype=dtype, generator=torch.Generator().manual_seed(0))
    ours = RMSNorm.torch(h, torch.ones(UNITS, dtype=dtype), eps=torch.finfo(dtype).eps)
    assert_allclose(ours, functional.rms_norm(h, (UNITS,)), rtol=1e-5)
    assert torch.finfo(dtype).eps == pytest.approx({torch.float32: 1.2e-7, torch.float64: 2.2e-16}[dtype], rel=0.01)


@pytest.mark.parametrize("form", FORMS)
def test_before_gamma_every_example_has_a_mean_square_of_one(form, inputs):
    h = inputs[0]
    square = (h**2).mean(1)
    out = forward(form, h, np.ones(UNITS))
    assert_allclose((out**2).mean(1), square / (square + EPS), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_size_of_an_example_makes_no_difference_but_its_mean_does(form, inputs):
    h, weight = inputs
    out = forward(form, h, weight, eps=1e-15)
    assert_allclose(forward(form, 9 * h, weight, eps=1e-15), out, rtol=1e-12)
    assert abs(forward(form, h + 100, weight, eps=1e-15) - out).max() > 0.1


@pytest.mark.parametrize("form", FORMS)
def test_of_centered_examples_it_makes_what_a_layer_norm_makes(form, inputs):
    h = inputs[0] - inputs[0].mean(1, keepdims=True)
    theirs = functional.layer_norm(torch.from_numpy(h), (UNITS,), eps=EPS)
    assert_allclose(forward(form, h, np.ones(UNITS)), theirs, rtol=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_a_mean_far_from_zero_leaves_little_of_what_differs_between_units(form, inputs):
    spreads = [forward(form, inputs[0] + mean, np.ones(UNITS)).std(1).max() for mean in (0, 10, 100, 1000)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < 0.01


@pytest.mark.parametrize("form", FORMS)
def test_an_example_alone_is_treated_as_in_any_batch_and_as_in_evaluation(form, inputs):
    h, weight = inputs
    out = forward(form, h, weight)
    assert_allclose(forward(form, h[2:3], weight), out[2:3], rtol=1e-14)
    assert_allclose(RMSNorm.evaluate(h, weight, eps=EPS), out, rtol=1e-13)


def test_in_images_it_normalizes_the_channels_of_each_position():
    images = torch.randn(2, UNITS, 3, 4, generator=torch.Generator().manual_seed(0))
    last = functional.rms_norm(images.permute(0, 2, 3, 1), (UNITS,), eps=EPS)
    ours = RMSNorm(eps=EPS).module(UNITS, axes=4)(images)
    assert_allclose(ours.detach(), last.permute(0, 3, 1, 2), rtol=1e-4, atol=1e-5)


def test_in_images_it_is_the_rms_norm_2d_of_timm(timm, inputs):
    images = torch.randn(2, UNITS, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = RMSNorm(eps=EPS).module(UNITS, axes=4).double()
    theirs = timm.layers.RmsNorm2d(UNITS, eps=EPS, dtype=torch.float64)
    for layer in (ours, theirs):
        weight = layer.get_parameter("weight")
        weight.data.copy_(torch.from_numpy(inputs[1]).view(weight.shape))
    assert_allclose(ours(images).detach(), theirs(images).detach(), rtol=1e-11, atol=1e-13)
