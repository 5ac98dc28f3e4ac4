"""What RDrop's card claims: the divergences of torch, the conversion of its strength, and what two passes agree on."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose

from bridle import Dropout, RDrop

Z, OTHER = np.random.default_rng(0).normal(size=(2, 6, 4))


def published(z, other):
    """The mean of both divergences, as in the paper's code, averaged over the rows."""
    there = F.kl_div(F.log_softmax(z, dim=-1), F.softmax(other, dim=-1), reduction="none").sum()
    back = F.kl_div(F.log_softmax(other, dim=-1), F.softmax(z, dim=-1), reduction="none").sum()
    return (there + back) / 2 / len(z)


def test_it_is_the_penalty_of_the_papers_code():
    z, other = torch.from_numpy(Z), torch.from_numpy(OTHER)
    assert RDrop.vanilla(Z, OTHER, strength=0.7)[0] == pytest.approx(0.7 * published(z, other).item())
    assert RDrop.torch(z, other, strength=0.7).item() == pytest.approx(0.7 * published(z, other).item())


def test_the_papers_alpha_is_twice_the_strength():
    z, other = torch.from_numpy(Z), torch.from_numpy(OTHER)
    labels, alpha = torch.arange(6) % 4, 0.8
    paper = F.cross_entropy(z, labels) + F.cross_entropy(other, labels) + alpha * published(z, other)
    ours = [
        F.cross_entropy(first, labels) + RDrop.torch(first, second, strength=alpha / 2)
        for first, second in ((z, other), (other, z))  # the data loss of one pass, whichever it is
    ]
    assert_allclose(torch.stack(ours).mean() * 2, paper)


def test_equal_predictions_cost_nothing_and_pull_nowhere():
    penalty, one, other = RDrop.vanilla(Z, Z + 3.0, strength=1.0)  # a number added to all logits changes no prediction
    assert penalty == pytest.approx(0, abs=1e-15)
    assert_allclose([one, other], 0, atol=1e-15)


def test_it_is_symmetric():
    penalty, one, other = RDrop.vanilla(Z, OTHER, strength=1.0)
    swapped, other_again, one_again = RDrop.vanilla(OTHER, Z, strength=1.0)
    assert penalty == pytest.approx(swapped)
    assert_allclose([one, other], [one_again, other_again], atol=1e-15)


def test_each_pass_moves_towards_the_other():
    _, one, other = RDrop.vanilla(Z, OTHER, strength=1.0)
    closer = RDrop.vanilla(Z - 0.1 * one, OTHER - 0.1 * other, strength=1.0)[0]
    assert closer < RDrop.vanilla(Z, OTHER, strength=1.0)[0]


def test_nearly_equal_predictions_never_cost_less_than_nothing_in_float32():
    z, change = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 200, 10)))
    other = z + 1e-4 * change
    exact, single = RDrop.torch(z, other, strength=1.0), RDrop.torch(z.float(), other.float(), strength=1.0)
    assert single.item() >= 0
    assert single.item() == pytest.approx(exact.item(), rel=0.01)


def test_training_with_it_brings_the_thinned_networks_together():
    torch.manual_seed(0)
    x = torch.randn(200, 10)
    y = (x[:, 0] * x[:, 1] > 0).long()
    masked = lambda h: Dropout.torch(h, torch.rand(h.shape), rate=0.5)  # noqa: E731
    apart = {}
    for strength in (0.0, 2.0):
        torch.manual_seed(1)
        first, last = torch.nn.Linear(10, 64), torch.nn.Linear(64, 2)
        optimizer = torch.optim.Adam([*first.parameters(), *last.parameters()], lr=0.01)
        for _ in range(200):
            optimizer.zero_grad()
            h = first(x).relu()
            z, other = last(masked(h)), last(masked(h))
            (F.cross_entropy(z, y) + RDrop.torch(z, other, strength=strength)).backward()
            optimizer.step()
        h = first(x).relu()
        apart[strength] = RDrop.torch(last(masked(h)), last(masked(h)), strength=1.0).item()
    assert apart[2.0] < 0.5 * apart[0.0]


def test_each_variant_of_a_stack_pays_its_own_strength():
    z, other = torch.from_numpy(
        np.random.default_rng(1).normal(size=(2, 2, 3, 6, 4))
    )  # each: seeds, recipes, batch, classes
    strengths = torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64)
    stacked = RDrop.torch(z, other, strength=strengths.view(1, 3, 1, 1))
    for seed, recipe in np.ndindex(2, 3):
        one, two = z[seed, recipe].numpy(), other[seed, recipe].numpy()
        alone = RDrop.vanilla(one, two, strength=float(strengths[recipe]))[0]
        assert_allclose(stacked[seed, recipe], alone, rtol=1e-12)
