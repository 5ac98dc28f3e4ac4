"""What WeightNorm's card claims, against torch's parametrization in float64."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn.utils.parametrizations import weight_norm

from bridle import WeightNorm

EPS = 1e-12
FORMS = ("vanilla", "torch")
LAYERS = [lambda: torch.nn.Linear(4, 3), lambda: torch.nn.Conv2d(2, 3, (2, 3))]


def matrix(w):
    """(outputs, inputs, ...) -> (outputs, inputs, positions)."""
    return w.detach().reshape(*w.shape[:2], -1)


@pytest.fixture(params=LAYERS, ids=["linear", "convolution"])
def reference(request):
    """A layer of torch with its parametrization, and a gain away from its start."""
    torch.manual_seed(0)
    layer = weight_norm(request.param().double())
    with torch.no_grad():
        layer.parametrizations.weight.original0.mul_(torch.rand(3).reshape(3, *[1] * (layer.weight.ndim - 1)) + 0.5)
    return layer


@pytest.fixture
def inputs():
    random = np.random.default_rng(0)
    return [random.normal(size=(3, 4, 2)), random.uniform(0.5, 2, size=(3, 1, 1))]


def forward(form, *given, eps=EPS):
    """The weight as it acts, of either form."""
    if form == "torch":
        return WeightNorm.torch(*map(torch.tensor, given), eps=eps).numpy()
    return WeightNorm.vanilla(*given, eps=eps)[0]


@pytest.mark.parametrize("form", FORMS)
def test_it_is_the_weight_norm_of_torch(form, reference):
    gain, w = (matrix(each).numpy() for each in reference.parametrizations.weight.parameters())
    assert_allclose(forward(form, w, gain), matrix(reference.weight), rtol=1e-11)
    assert_allclose(WeightNorm.evaluate(w, gain, eps=EPS), matrix(reference.weight), rtol=1e-11)


def test_gradients_are_those_of_torch(reference):
    g = torch.randn(reference.weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    reference.weight.backward(g)
    gain, w = reference.parametrizations.weight.parameters()
    by_hand = WeightNorm.vanilla(matrix(w).numpy(), matrix(gain).numpy(), eps=EPS)[1](matrix(g).numpy())
    for ours, theirs in zip(by_hand, (w, gain), strict=True):
        assert_allclose(ours, matrix(theirs.grad), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_training_starts_with_the_weights_that_there_are(form, inputs):
    w, _ = inputs
    gain = WeightNorm.parameters["gain"](w)
    assert gain.shape == (3, 1, 1)
    assert_allclose(forward(form, w, gain), w, rtol=1e-11)
    assert_allclose(WeightNorm.parameters["gain"](torch.tensor(w)), gain, rtol=1e-14)


@pytest.mark.parametrize("form", FORMS)
def test_every_output_has_the_length_of_its_gain_however_long_the_stored_weight_is(form, inputs):
    w, gain = inputs
    acting = forward(form, w, gain)
    assert_allclose(np.sqrt((acting**2).sum((1, 2))), gain.ravel(), rtol=1e-11)
    assert_allclose(forward(form, 1000 * w, gain), acting, rtol=1e-11)


def test_the_stored_weight_moves_across_itself_so_it_grows(inputs):
    w, gain = inputs
    g = np.random.default_rng(1).normal(size=w.shape)
    g_w = WeightNorm.vanilla(w, gain, eps=EPS)[1](g)[0]
    assert_allclose((g_w * w).sum((1, 2)), 0, atol=1e-11)
    lengths = [(each**2).sum((1, 2)) for each in (w, w - 0.1 * g_w)]
    assert (lengths[1] > lengths[0]).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_norm_behind_the_layer_divides_the_gain_out(form, inputs):
    w, gain = inputs
    x = np.random.default_rng(1).normal(size=(50, 8))
    outputs = [x @ forward(form, w, each).reshape(3, -1).T for each in (gain, 7 * gain)]
    small, large = ((z - z.mean(0)) / z.std(0) for z in outputs)
    assert_allclose(small, large, rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_an_output_whose_weights_are_all_zero_stays_finite(form, inputs):
    w, gain = inputs
    w[1] = 0
    acting = forward(form, w, gain)
    assert (acting[1] == 0).all()
    assert np.isfinite(acting).all()
    assert np.isfinite(WeightNorm.vanilla(w, gain, eps=EPS)[1](np.ones_like(w))[0]).all()


def test_the_gradient_has_a_gradient_of_its_own(inputs):
    given = [torch.tensor(each, requires_grad=True) for each in inputs]
    assert torch.autograd.gradgradcheck(lambda w, gain: WeightNorm.torch(w, gain, eps=EPS), given)
