"""What JacobianPenalty's card claims: the squared slopes on average, in float32 too, and its conversions."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import JacobianPenalty

ROWS, FEATURES, OUTPUTS = 50, 20, 3
DEFAULT = JacobianPenalty().settings(numbers=True)


def penalty(network, x, noise, *, strength=1.0, spread=0.01):
    """The penalty of a network on a batch."""
    moved = JacobianPenalty.move(x, noise, strength=strength, spread=spread)
    return JacobianPenalty.torch(network(x), network(moved), strength=strength, spread=spread)


def squared_slopes(network, x):
    """‖J‖² of each row, by autograd."""
    return torch.func.vmap(torch.func.jacrev(network))(x).square().sum((-2, -1))


@pytest.fixture(scope="module")
def trained():
    """A network in float32 that has learned something, and rows of standardized features."""
    torch.manual_seed(0)
    x = torch.randn(500, FEATURES)
    y = x[:, :OUTPUTS].argmax(1)
    network = torch.nn.Sequential(torch.nn.Linear(FEATURES, 64), torch.nn.ReLU(), torch.nn.Linear(64, OUTPUTS))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()
    return network, x


@pytest.mark.parametrize("spread", [0.001, 0.1, 10.0])
def test_on_a_linear_network_the_mean_over_the_noise_is_exact_at_any_spread(spread):
    random = np.random.default_rng(0)
    w, x = random.normal(size=(FEATURES, OUTPUTS)), random.normal(size=(1, FEATURES))
    # Noise whose mean product is exactly one for each feature with itself and zero with another: ±√features · unit.
    noise = np.sqrt(FEATURES) * np.concatenate([np.eye(FEATURES), -np.eye(FEATURES)])
    moved = JacobianPenalty.move(x, noise, strength=0.3, spread=spread)
    z = np.repeat(x, len(noise), 0) @ w
    found = JacobianPenalty.vanilla(z, moved @ w, strength=0.3, spread=spread)[0]
    assert found == pytest.approx(0.3 * (w**2).sum(), rel=1e-9)


def test_normal_noise_gives_the_squared_slopes_on_average(trained):
    network, x = trained
    network, x = network.double(), x.double()
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(40 * len(x), FEATURES)))
    found = penalty(network, x.repeat(40, 1), noise)
    assert found.item() == pytest.approx(squared_slopes(network, x).mean().item(), rel=0.03)


def test_float32_measures_the_same_as_float64_at_the_default_spread(trained):
    network, x = trained
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=tuple(x.shape)))
    exact = penalty(network.double(), x.double(), noise, **DEFAULT).item()
    single = penalty(network.float(), x.float(), noise.float(), **DEFAULT).item()
    assert single == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize(("spread", "drowns"), [(DEFAULT["spread"], True), (0.3, False)])
def test_small_slopes_of_bfloat16_outputs_drown_at_the_default_spread_and_not_at_a_larger_one(spread, drowns):
    random = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(500, FEATURES, generator=random) for _ in range(2))
    network = lambda rows: 5 + rows @ torch.full((FEATURES, OUTPUTS), 0.05)  # noqa: E731
    exact = penalty(network, x, noise, spread=spread).item()
    rounded = penalty(lambda rows: network(rows).bfloat16(), x, noise, spread=spread).item()
    assert (rounded > 2 * exact) == drowns
    assert drowns or rounded == pytest.approx(exact, rel=0.1)


def test_the_lambda_of_hoffman_is_twice_the_strength(trained):
    network, x = (each.double() for each in trained)
    x = x[:ROWS].requires_grad_()
    z = network(x)
    rows = [torch.autograd.grad(z[:, output].sum(), x, retain_graph=True)[0] for output in range(OUTPUTS)]
    half = sum(row.square().sum() for row in rows) / ROWS / 2  # jacobian_regularizer's JacobianReg(n=-1)
    assert (2 * 0.3 * half).item() == pytest.approx(0.3 * squared_slopes(network, x.detach()).mean().item())


def test_training_with_it_lowers_the_slopes(trained):
    _, x = trained
    x, y = x.float(), x[:, :OUTPUTS].argmax(1)
    slopes = {}
    for strength in (0.0, 0.1):
        torch.manual_seed(1)
        network = torch.nn.Sequential(torch.nn.Linear(FEATURES, 32), torch.nn.Tanh(), torch.nn.Linear(32, OUTPUTS))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(100):
            optimizer.zero_grad()
            noise = torch.randn(x.shape)
            loss = torch.nn.functional.cross_entropy(network(x), y) + penalty(network, x, noise, strength=strength)
            loss.backward()
            optimizer.step()
        slopes[strength] = squared_slopes(network, x).mean().item()
    assert slopes[0.1] < 0.3 * slopes[0.0]


def test_each_variant_of_a_stack_pays_its_own_strength_at_its_own_spread():
    random = np.random.default_rng(0)
    z, other = (torch.from_numpy(random.normal(size=(2, 3, 6, 4))) for _ in range(2))  # seeds, recipes, batch, outputs
    strengths, spreads = torch.tensor([[0.0, 0.1, 1.0], [0.01, 0.1, 1.0]], dtype=torch.float64)
    stacked = JacobianPenalty.torch(z, other, strength=strengths.view(1, 3, 1, 1), spread=spreads.view(1, 3, 1, 1))
    for seed, recipe in np.ndindex(2, 3):
        knobs = {"strength": float(strengths[recipe]), "spread": float(spreads[recipe])}
        alone = JacobianPenalty.vanilla(z[seed, recipe].numpy(), other[seed, recipe].numpy(), **knobs)[0]
        assert_allclose(stacked[seed, recipe], alone, rtol=1e-12)
