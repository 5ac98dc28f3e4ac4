"""What VAT's card claims: the direction that changes predictions most, in float32 too, and what stays finite."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose

from bridle import VAT

FEATURES, CLASSES = 14, 3
KNOBS = VAT().settings(numbers=True)


@pytest.fixture(scope="module")
def trained():
    """A network in float32 that has learned something, and rows of standardized features."""
    torch.manual_seed(0)
    x = torch.randn(200, FEATURES)
    network = torch.nn.Sequential(torch.nn.Linear(FEATURES, 64), torch.nn.Tanh(), torch.nn.Linear(64, CLASSES))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(50):
        optimizer.zero_grad()
        F.cross_entropy(network(x), x[:, :CLASSES].argmax(1)).backward()
        optimizer.step()
    return network, x


def slope(network, x, noise, **knobs):
    """What the engine hands to ``move``: the penalty's gradient with respect to the probed rows."""
    probed = VAT.probe(x, noise, **knobs).requires_grad_()
    return torch.autograd.grad(VAT.torch(network(x).detach(), network(probed), **knobs), probed)[0]


def cosines(a, b):
    """Of each row with its counterpart."""
    a, b = a.double(), b.double()
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))


def divergences(network, x, moved):
    """KL of each row's prediction from that of the moved row."""
    return F.kl_div(network(moved).log_softmax(1), network(x).softmax(1), reduction="none").sum(1)


def test_the_penalty_is_torchs_divergence():
    random = np.random.default_rng(0)
    z, other = random.normal(size=(6, 4)), random.normal(size=(6, 4))
    expected = F.kl_div(
        torch.from_numpy(other).log_softmax(1), torch.from_numpy(z).softmax(1), reduction="batchmean"
    ).item()
    knobs = {**KNOBS, "strength": 0.7}
    assert VAT.vanilla(z, other, **knobs)[0] == pytest.approx(0.7 * expected)
    assert VAT.torch(torch.from_numpy(z), torch.from_numpy(other), **knobs).item() == pytest.approx(0.7 * expected)


def test_what_is_predicted_at_the_row_itself_holds_still():
    z, other = torch.randn(6, 4, requires_grad=True), torch.randn(6, 4, requires_grad=True)
    VAT.torch(z, other, **KNOBS).backward()
    assert z.grad is None
    assert other.grad is not None and other.grad.any()
    assert not VAT.vanilla(z.detach().numpy(), other.detach().numpy(), **KNOBS)[1].any()


def test_rows_move_by_the_radius_and_are_probed_by_xi():
    x, direction = np.zeros((5, FEATURES)), np.random.default_rng(0).normal(size=(5, FEATURES))
    knobs = {"strength": 1.0, "radius": 3.0, "xi": 0.2}
    assert_allclose(np.linalg.norm(VAT.move(x, direction, **knobs), axis=1), 3.0)
    assert_allclose(np.linalg.norm(VAT.probe(x, direction, **knobs), axis=1), 0.2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e30])
def test_slopes_of_any_size_give_a_direction_and_none_gives_no_move(dtype, size):
    direction = size * np.array([[3.0, -4.0]], dtype)
    for move in (VAT.move, VAT.probe):
        knobs = {"strength": 1.0, "radius": 5.0, "xi": 5.0}
        expected = [[3.0, -4.0]] if size else [[0.0, 0.0]]
        moved = move(np.zeros_like(direction), direction, **knobs)
        assert moved.dtype == dtype
        assert_allclose(moved, expected, rtol=1e-6)
        assert_allclose(move(torch.zeros(1, 2), torch.from_numpy(direction), **knobs), expected, rtol=1e-6)


def test_one_power_iteration_turns_the_probe_by_the_hessian_of_the_divergence(trained):
    network, x = copy.deepcopy(trained[0]).double(), trained[1][:20].double()
    noise = torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = slope(network, x, noise, strength=1.0, radius=1.0, xi=1e-5)
    for row, direction, step in zip(x, noise, found, strict=True):
        divergence = lambda moved, row=row: divergences(network, row[None], moved[None])[0]  # noqa: E731
        hessian = torch.autograd.functional.hessian(divergence, row)
        assert cosines((hessian @ direction)[None], step[None]).item() > 0.9999


def test_it_finds_a_direction_that_changes_predictions_far_more_than_a_random_one(trained):
    network, x = trained
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    adversarial = VAT.move(x, slope(network, x, noise, **KNOBS), **KNOBS)
    at_random = VAT.move(x, noise, **KNOBS)
    with torch.no_grad():
        assert divergences(network, x, adversarial).mean() > 5 * divergences(network, x, at_random).mean()


def test_float32_finds_the_direction_of_float64_at_the_default_xi_and_not_at_the_papers(trained):
    network, x = trained
    exact = copy.deepcopy(network).double()
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    for xi, near in ((KNOBS["xi"], True), (1e-6, False)):
        knobs = {**KNOBS, "xi": xi}
        agree = cosines(slope(network, x, noise, **knobs), slope(exact, x.double(), noise.double(), **knobs))
        assert (agree.quantile(0.05).item() > 0.99) == near


def test_each_variant_of_a_stack_pays_its_own_strength():
    random = np.random.default_rng(0)
    z, other = (torch.from_numpy(random.normal(size=(2, 3, 6, 4))) for _ in range(2))  # seeds, recipes, batch, classes
    strengths = torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64)
    stacked = VAT.torch(z, other, strength=strengths.view(1, 3, 1, 1), radius=1.0, xi=0.1)
    for seed, recipe in np.ndindex(2, 3):
        knobs = {**KNOBS, "strength": float(strengths[recipe])}
        alone = VAT.vanilla(z[seed, recipe].numpy(), other[seed, recipe].numpy(), **knobs)[0]
        assert_allclose(stacked[seed, recipe], alone, rtol=1e-12)
