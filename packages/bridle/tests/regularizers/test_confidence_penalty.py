"""What ConfidencePenalty's card claims: the entropy, and how it relates to label smoothing."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose

from bridle import ConfidencePenalty

Z = np.random.default_rng(0).normal(size=(6, 4))


def penalty(z, strength=1.0):
    """Both forms, which must agree."""
    ours = ConfidencePenalty.vanilla(z, strength=strength)[0]
    theirs = ConfidencePenalty.torch(torch.from_numpy(z), strength=strength).item()
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-15)
    return ours


def test_it_is_torchs_entropy_with_a_minus():
    entropy = torch.distributions.Categorical(logits=torch.from_numpy(Z)).entropy().mean().item()
    assert penalty(Z, 0.3) == pytest.approx(-0.3 * entropy)


def test_equal_chances_are_worth_most_and_certainty_nothing():
    assert penalty(np.zeros((2, 4))) == pytest.approx(-math.log(4))
    assert penalty(np.array([[0.0, 1000.0], [-1e30, 1e30]])) == 0
    assert -math.log(4) < penalty(Z) < 0


def test_descent_makes_predictions_less_certain_without_reordering_them():
    moved = Z - 0.5 * ConfidencePenalty.vanilla(Z, strength=1.0)[1]
    assert penalty(moved) < penalty(Z)
    assert (moved.argsort(1) == Z.argsort(1)).all()


def test_it_is_the_divergence_from_uniform_and_label_smoothing_is_its_reverse():
    z = torch.from_numpy(Z)
    logs, uniform = z.log_softmax(1), torch.full_like(z, 0.25)
    to_uniform = (logs.exp() * (logs - uniform.log())).sum(1).mean().item()
    assert penalty(Z) + math.log(4) == pytest.approx(to_uniform)
    from_uniform = (uniform * (uniform.log() - logs)).sum(1).mean()
    labels, smoothing = torch.arange(6) % 4, 0.1
    smoothed = F.cross_entropy(z, labels, label_smoothing=smoothing)
    plain = (1 - smoothing) * F.cross_entropy(z, labels)
    assert_allclose(smoothed - plain, smoothing * (from_uniform + math.log(4)))


def test_adding_one_number_to_all_logits_changes_nothing():
    assert penalty(Z + 100) == pytest.approx(penalty(Z), rel=1e-10)
    assert_allclose(ConfidencePenalty.vanilla(Z, strength=1.0)[1].sum(1), 0, atol=1e-15)


def test_each_variant_of_a_stack_pays_its_own_strength():
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 6, 4)))  # seeds, recipes, batch, classes
    strengths = torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64)
    stacked = ConfidencePenalty.torch(z, strength=strengths.view(1, 3, 1, 1))
    alone = [[penalty(z[s, r].numpy(), float(strengths[r])) for r in range(3)] for s in range(2)]
    assert_allclose(stacked, alone, rtol=1e-12)


def test_bfloat16_logits_are_summed_in_float32():
    z = torch.randn(64, 100, generator=torch.Generator().manual_seed(0)).bfloat16()
    exact = ConfidencePenalty.torch(z.double(), strength=1.0).item()
    assert ConfidencePenalty.torch(z, strength=1.0).item() == pytest.approx(exact, rel=2**-8)
