"""What GradientCentralization's card claims: the authors' formula, and sums of weights that stay what they were."""

import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from bridle import GradientCentralization
from bridle.recipe import Recipe


def centered(g, strength=1.0):
    """Both forms, for a gradient of any shape."""
    seen = g.reshape(len(g), -1, 1) if g.ndim < 3 else g.flatten(2)
    ours = GradientCentralization.torch(seen, strength=strength)
    assert_allclose(GradientCentralization.vanilla(seen.numpy(), strength=strength), ours, rtol=1e-12, atol=1e-15)
    return ours.reshape(g.shape)


def draw(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1


@pytest.mark.parametrize("shape", [(4, 5), (4, 3, 2, 2)], ids=["linear", "convolution"])
def test_it_is_the_authors_centralized_gradient(shape):
    g = draw(*shape)
    theirs = g - g.mean(dim=tuple(range(1, g.ndim)), keepdim=True)
    assert_allclose(centered(g), theirs, atol=1e-15)
    assert_allclose(centered(g).flatten(1).sum(1), 0, atol=1e-13)


def test_centering_twice_is_centering_once_and_a_share_is_a_share():
    g = draw(4, 5)
    assert_allclose(centered(centered(g)), centered(g), atol=1e-15)
    assert_allclose(centered(g, 0.25), 0.75 * g + 0.25 * centered(g), rtol=1e-12)


def test_units_of_one_weight_learn_as_ever():
    for g in (draw(4), draw(4, 1)):
        assert torch.equal(centered(g), g)


def test_it_acts_on_matrices_unless_asked_otherwise():
    assert GradientCentralization().on == "matrices"
    assert repr(GradientCentralization(0.5)) == "GradientCentralization(strength=0.5)"
    assert Recipe.parse("GradientCentralization(0.5, on='Conv2d')") == Recipe(
        (GradientCentralization(0.5, on="Conv2d"),)
    )


def test_under_sgd_the_sum_of_a_units_weights_stays_what_it_was():
    random = torch.Generator().manual_seed(0)
    w = nn.Parameter(torch.randn(3, 5, generator=random, dtype=torch.float64))
    start = w.detach().clone()
    x, y = torch.randn(2, 40, 5, generator=random, dtype=torch.float64).abs()
    optimizer = torch.optim.SGD([w], lr=0.05, momentum=0.9)
    for _ in range(50):
        optimizer.zero_grad()
        (x @ w.T - y[:, :3]).square().mean().backward()
        w.grad = centered(w.grad)
        optimizer.step()
    assert (w.detach() - start).abs().max() > 0.1
    assert_allclose(w.detach().sum(1), start.sum(1), rtol=1e-12)


def test_a_standardized_weight_has_a_centered_gradient_already():
    w = draw(3, 5).requires_grad_()
    acting = (w - w.mean(1, keepdim=True)) / w.std(1, keepdim=True)
    (g,) = torch.autograd.grad((acting @ draw(5)).tanh().sum(), w)
    assert g.abs().max() > 0.01
    assert_allclose(centered(g), g, atol=1e-15)
