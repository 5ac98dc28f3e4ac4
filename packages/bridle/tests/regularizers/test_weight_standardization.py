"""What WeightStandardization's card claims, against timm and the formulas of Composer and the paper's code."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.func import functional_call

from bridle import WeightStandardization

EPS = 1e-6
FORMS = ("vanilla", "torch")
SHAPES = ((3, 20, 1), (3, 4, 6))  # (outputs, inputs, positions) of a linear layer, a convolution


def weights(shape=SHAPES[1]):
    return 0.3 + 0.1 * np.random.default_rng(0).normal(size=shape)


def forward(form, w, eps=EPS):
    """The weight as it acts, of either form."""
    if form == "torch":
        return WeightStandardization.torch(torch.from_numpy(w), eps=eps).numpy()
    return WeightStandardization.vanilla(w, eps=eps)[0]


def acting(convolution, w):
    """The weight as it acts in one of timm's layers, read from its outputs for images of which one pixel is 1."""
    outputs, inputs, positions = w.shape
    layer = convolution(inputs, outputs, (1, positions), padding=0, bias=False, eps=EPS, dtype=w.dtype)
    pixels = torch.eye(inputs * positions, dtype=w.dtype).view(-1, inputs, 1, positions)
    return functional_call(layer, {"weight": w.unsqueeze(2)}, pixels).flatten(1).T.reshape(w.shape)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_what_timm_does(timm, form, shape):
    w = weights(shape)
    theirs = acting(timm.layers.StdConv2d, torch.from_numpy(w)).detach()
    assert_allclose(forward(form, w), theirs, rtol=1e-10, atol=1e-12)
    assert_allclose(WeightStandardization.evaluate(w, eps=EPS), forward(form, w), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_timms_scaled_layer_divides_by_the_root_of_the_number_of_inputs_besides(timm, form, shape):
    w = weights(shape)
    theirs = acting(timm.layers.ScaledStdConv2d, torch.from_numpy(w)).detach()
    assert_allclose(forward(form, w) / w[0].size ** 0.5, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_is_that_of_timm(timm, shape):
    w = torch.tensor(weights(shape), requires_grad=True)
    g = np.random.default_rng(1).normal(size=shape)
    acting(timm.layers.StdConv2d, w).backward(torch.from_numpy(g))
    (by_hand,) = WeightStandardization.vanilla(weights(shape), eps=EPS)[1](g)
    assert w.grad is not None
    assert_allclose(by_hand, w.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_composer_and_the_papers_code_differ_as_the_card_says(form):
    w = torch.from_numpy(weights())
    var, mean = torch.var_mean(w, dim=(1, 2), keepdim=True, correction=0)
    assert_allclose(forward(form, w.numpy(), eps=1e-10), (w - mean) / torch.sqrt(var + 1e-10), rtol=1e-11)
    deviation = w.std((1, 2), keepdim=True) + 1e-5
    n = w[0].numel()
    assert_allclose(forward(form, w.numpy()) * ((n - 1) / n) ** 0.5, (w - mean) / deviation, rtol=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_every_output_has_weights_of_mean_zero_and_variance_one(form):
    acting = forward(form, weights(), eps=1e-12)
    assert_allclose(acting.mean((1, 2)), 0, atol=1e-14)
    assert_allclose(acting.var((1, 2)), 1, rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_the_size_and_the_mean_of_the_stored_weights_make_no_difference(form):
    w = weights()
    changed = w * np.array([0.1, 3, 50])[:, None, None] + np.arange(3)[:, None, None]
    assert_allclose(forward(form, changed, eps=1e-15), forward(form, w, eps=1e-15), rtol=1e-9)


def test_the_gradient_changes_neither_the_mean_nor_the_size_of_the_stored_weights():
    w = weights()
    g = np.random.default_rng(1).normal(size=w.shape)
    (g_w,) = WeightStandardization.vanilla(w, eps=1e-15)[1](g)
    assert_allclose(g_w.sum((1, 2)), 0, atol=1e-12)
    assert_allclose((g_w * (w - w.mean((1, 2), keepdims=True))).sum((1, 2)), 0, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_outputs_are_larger_than_inputs_by_the_root_of_their_number(form):
    random = np.random.default_rng(0)
    n, x = 400, random.normal(size=(500, 400))
    outputs = x @ forward(form, random.uniform(-0.01, 0.01, size=(100, n, 1)))[..., 0].T
    assert outputs.std() / np.sqrt(n) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("form", FORMS)
def test_weights_that_are_all_alike_become_zero(form):
    assert_allclose(forward(form, np.full((3, 4, 6), 0.1)), 0, atol=1e-12)


def test_the_gradient_has_a_gradient_of_its_own():
    w = torch.tensor(weights(), requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda each: WeightStandardization.torch(each, eps=EPS), w)
