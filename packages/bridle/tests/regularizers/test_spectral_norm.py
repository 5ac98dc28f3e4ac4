"""What SpectralNorm's card claims, against torch's parametrization and the singular values, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn.utils.parametrizations import spectral_norm

from bridle import SpectralNorm
from bridle.regularizers.layer.spectral_norm import SingularVectors

NUMBERS: dict[str, Any] = {"limit": 1.0, "eps": 1e-12}
FORMS = ("vanilla", "torch")
LAYERS = [lambda: torch.nn.Linear(6, 4), lambda: torch.nn.Conv2d(2, 4, (2, 3))]


def matrix(w):
    """(outputs, inputs, ...) -> (outputs, inputs, positions)."""
    return w.detach().reshape(*w.shape[:2], -1).numpy()


@pytest.fixture(params=LAYERS, ids=["linear", "convolution"])
def reference(request):
    """A layer of torch with its parametrization."""
    torch.manual_seed(0)
    return spectral_norm(request.param().double())


def state_of(layer):
    """torch's u and v in the shapes of ours, copied."""
    norm, w = layer.parametrizations.weight[0], matrix(layer.parametrizations.weight.original)
    return norm._u.numpy().copy().reshape(-1, 1, 1), norm._v.numpy().copy().reshape(1, *w.shape[1:])


def forward(form, w, *state, **numbers):
    """One training step of either form: the weight as it acts, and the new u and v."""
    numbers = NUMBERS | numbers
    if form == "torch":
        vectors = SingularVectors(*map(torch.from_numpy, state))
        fast, vectors = SpectralNorm.torch(torch.from_numpy(w), vectors, **numbers)
        return tuple(each.numpy() for each in (fast, *vectors))
    acting, new, _ = SpectralNorm.vanilla(w, SingularVectors(*state), **numbers)
    return acting, *new


def started(w):
    """A weight with the state that it starts with."""
    return w, *(start(w) for start in SpectralNorm.state)


def weights(shape=(5, 4, 3)):
    return np.random.default_rng(0).normal(size=shape)


def largest(w):
    """The largest singular value of (outputs, inputs, positions) as a matrix."""
    return np.linalg.svd(w.reshape(len(w), -1), compute_uv=False)[0]


@pytest.mark.parametrize("form", FORMS)
def test_steps_and_evaluation_are_those_of_torch(form, reference):
    w, (u, v) = matrix(reference.parametrizations.weight.original), state_of(reference)
    for _ in range(3):
        acting, u, v = forward(form, w, u, v)
        assert_allclose(acting, matrix(reference.weight), rtol=1e-9)
        for ours, theirs in zip((u, v), state_of(reference), strict=True):
            assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    reference.eval()
    assert_allclose(SpectralNorm.evaluate(w, SingularVectors(u, v), **NUMBERS), matrix(reference.weight), rtol=1e-9)


def test_the_gradient_is_that_of_torch_which_holds_u_and_v_constant(reference):
    original = reference.parametrizations.weight.original
    given = matrix(original), SingularVectors(*state_of(reference))
    g = torch.randn(original.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    reference.weight.backward(g)
    (by_hand,) = SpectralNorm.vanilla(*given, **NUMBERS)[-1](matrix(g))
    assert_allclose(by_hand, matrix(original.grad), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", [0.5, 1.0, 3.0])
def test_the_largest_singular_value_comes_to_the_limit(form, limit):
    acting, *state = started(weights())
    for _ in range(200):
        acting, *state = forward(form, weights(), *state, limit=limit)
    assert largest(acting) == pytest.approx(limit, rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_no_input_is_stretched_by_more_than_the_limit(form):
    w, *state = started(weights())
    for _ in range(200):
        acting, *state = forward(form, w, *state, limit=2.0)
    x = np.random.default_rng(1).normal(size=(1000, 12))
    stretched = np.linalg.norm(x @ acting.reshape(5, -1).T, axis=1) / np.linalg.norm(x, axis=1)
    assert 0.5 < stretched.max() <= 2.0 * (1 + 1e-9)


@pytest.mark.parametrize("shape", [(5, 4, 3), (128, 64, 1), (1, 7, 1), (7, 1, 1)])
def test_the_first_step_is_near_the_limit_already_and_never_below_it(shape):
    acting, u, v = forward("vanilla", *started(weights(shape)))
    assert 1 - 1e-9 < largest(acting) < 1.05
    assert_allclose([(u**2).sum(), (v**2).sum()], 1, rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_size_of_the_stored_weight_makes_no_difference(form):
    w, u, v = started(weights())
    small, large = (forward(form, scale * w, u, v)[0] for scale in (1, 9))
    assert_allclose(small, large, rtol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_a_weight_of_zeros_is_finite_and_finds_its_directions_when_it_is_one_no_more(form):
    zeros, *state = started(np.zeros((5, 4, 3)))
    for _ in range(3):
        acting, *state = forward(form, zeros, *state)
        assert (acting == 0).all()
        assert_allclose([(each**2).sum() for each in state], 1, rtol=1e-9)
    for _ in range(200):
        acting, *state = forward(form, weights(), *state)
    assert largest(acting) == pytest.approx(1, rel=1e-9)


def test_the_start_is_the_same_in_numpy_and_torch():
    for start in SpectralNorm.state:
        assert_allclose(start(torch.from_numpy(weights())), start(weights()), rtol=1e-9, atol=1e-12)
