"""What LayerNorm's card claims, against torch's layer_norm in float64."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import functional

from bridle import LayerNorm

BATCH, UNITS, EPS = 6, 5, 1e-3
FORMS = ("vanilla", "torch")


@pytest.fixture
def inputs():
    """Activations away from zero, gammas and betas away from one and zero."""
    random = np.random.default_rng(0)
    return [3 + 2 * random.normal(size=(BATCH, UNITS)), random.normal(size=UNITS), random.normal(size=UNITS)]


def forward(form, *inputs, eps=EPS):
    """One training step of either form."""
    if form == "torch":
        return LayerNorm.torch(*map(torch.from_numpy, inputs), eps=eps).numpy()
    return LayerNorm.vanilla(*inputs, eps=eps)[0]


@pytest.mark.parametrize("form", FORMS)
def test_it_is_the_layer_norm_of_torch(form, inputs):
    h, weight, bias = map(torch.from_numpy, inputs)
    assert_allclose(forward(form, *inputs), functional.layer_norm(h, (UNITS,), weight, bias, EPS), rtol=1e-12)


def test_gradients_are_those_of_torch(inputs):
    given = [torch.tensor(each, requires_grad=True) for each in inputs]
    g = np.random.default_rng(1).normal(size=(BATCH, UNITS))
    x, gain, offset = given
    functional.layer_norm(x, (UNITS,), gain, offset, EPS).backward(torch.from_numpy(g))
    by_hand = LayerNorm.vanilla(*inputs, eps=EPS)[1](g)
    for ours, theirs in zip(by_hand, given, strict=True):
        assert theirs.grad is not None
        assert_allclose(ours, theirs.grad, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("form", FORMS)
def test_before_gamma_every_example_has_zero_mean_and_unit_variance(form, inputs):
    h = inputs[0]
    out = forward(form, h, np.ones(UNITS), np.zeros(UNITS))
    assert_allclose(out.mean(1), 0, atol=1e-14)
    assert_allclose(out.var(1), h.var(1) / (h.var(1) + EPS), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_size_and_the_mean_of_an_example_make_no_difference(form, inputs):
    h, *rest = inputs
    changed = h * np.linspace(0.5, 50, BATCH)[:, None] - np.arange(BATCH)[:, None]
    assert_allclose(forward(form, changed, *rest, eps=1e-15), forward(form, h, *rest, eps=1e-15), rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_an_example_alone_is_treated_as_in_any_batch_and_as_in_evaluation(form, inputs):
    h, *rest = inputs
    out = forward(form, *inputs)
    assert_allclose(forward(form, h[2:3], *rest), out[2:3], rtol=1e-14)
    assert_allclose(LayerNorm.evaluate(*inputs, eps=EPS), out, rtol=1e-13)


@pytest.mark.parametrize("form", FORMS)
def test_of_two_units_hardly_more_than_a_sign_is_left(form):
    h = np.random.default_rng(0).normal(size=(BATCH, 2))
    out = forward(form, h, np.ones(2), np.zeros(2), eps=1e-12)
    assert_allclose(out, np.sign(h - h.mean(1, keepdims=True)), rtol=1e-6)


def test_in_images_it_is_the_layer_norm_2d_of_timm(timm, inputs):
    images = torch.randn(2, UNITS, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = LayerNorm(eps=EPS).module(UNITS, axes=4).double()
    theirs = timm.layers.LayerNorm2d(UNITS, eps=EPS, dtype=torch.float64)
    for layer in (ours, theirs):
        for name, values in zip(("weight", "bias"), inputs[1:], strict=True):
            parameter = layer.get_parameter(name)
            parameter.data.copy_(torch.from_numpy(values).view(parameter.shape))
    assert_allclose(ours(images).detach(), theirs(images).detach(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("form", FORMS)
def test_an_example_whose_units_are_all_alike_becomes_beta(form, inputs):
    _, weight, bias = inputs
    out = forward(form, np.full((BATCH, UNITS), 0.1), weight, bias)
    assert_allclose(out, np.broadcast_to(bias, out.shape), atol=1e-12)


def test_bfloat16_loses_no_more_than_its_own_rounding():
    h = torch.tensor([[256.0, 258.0, 260.0, 262.0]], dtype=torch.bfloat16)  # neighbours: the mean, 259, lies between
    ones, zeros = torch.ones(4, dtype=torch.bfloat16), torch.zeros(4, dtype=torch.bfloat16)
    out = LayerNorm.torch(h, ones, zeros, eps=1e-5)
    assert out.dtype == torch.bfloat16
    assert_allclose(out.double(), torch.tensor([[-3, -1, 1, 3]]) / 5**0.5, rtol=2**-8)
