"""What LabelSmoothing's card claims: torch's loss at the same number, finite logits, and that twice is more."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose

from bridle import LabelSmoothing

CLASSES = 5


@pytest.fixture
def logits():
    return torch.randn(8, CLASSES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def smoothed(y, strength):
    """The targets in the PyTorch form."""
    return LabelSmoothing.torch(torch.zeros(len(y), 1), y, strength=strength)[1]


@pytest.mark.parametrize("strength", [0.0, 0.1, 0.9])
def test_it_is_the_label_smoothing_of_torch(strength, logits):
    ids = torch.arange(8) % CLASSES
    ours = F.cross_entropy(logits, smoothed(F.one_hot(ids).double(), strength))
    assert_allclose(ours, torch.nn.CrossEntropyLoss(label_smoothing=strength)(logits, ids), rtol=1e-12)


def test_it_is_the_label_smoothing_of_torch_for_probabilities_too(logits):
    y = torch.rand(8, CLASSES, generator=torch.Generator().manual_seed(1), dtype=torch.float64).softmax(-1)
    theirs = torch.nn.CrossEntropyLoss(label_smoothing=0.2)(logits, y)
    assert_allclose(F.cross_entropy(logits, smoothed(y, 0.2)), theirs, rtol=1e-12)


@pytest.mark.parametrize("strength", [0.0, 0.1, 0.9])
def test_it_is_the_loss_of_timm(timm, strength, logits):
    ids = torch.arange(8) % CLASSES
    ours = F.cross_entropy(logits, smoothed(F.one_hot(ids).double(), strength))
    assert_allclose(ours, timm.loss.LabelSmoothingCrossEntropy(smoothing=strength)(logits, ids), rtol=1e-12)


@pytest.mark.parametrize("strength", [0.01, 0.1])
def test_the_best_logits_are_finite(strength):
    ahead = math.log(1 + CLASSES * (1 - strength) / strength)  # of the right class's logit before the others
    z = torch.zeros(1, CLASSES, dtype=torch.float64)
    z[0, 2] = ahead
    z.requires_grad_()
    F.cross_entropy(z, smoothed(F.one_hot(torch.tensor([2]), CLASSES).double(), strength)).backward()
    assert z.grad is not None
    assert_allclose(z.grad, 0, atol=1e-12)


def test_targets_stay_probabilities_and_keep_their_order():
    y = np.random.default_rng(0).dirichlet(np.ones(CLASSES), size=20)
    ours = LabelSmoothing.vanilla(y, y, strength=0.3)[1]
    assert_allclose(ours.sum(1), 1)
    assert (ours.argsort(1) == y.argsort(1)).all()


def test_smoothing_twice_is_smoothing_by_more():
    y = np.eye(CLASSES)
    twice = LabelSmoothing.vanilla(y, LabelSmoothing.vanilla(y, y, strength=0.1)[1], strength=0.1)[1]
    assert_allclose(twice, LabelSmoothing.vanilla(y, y, strength=0.19)[1])


def test_a_small_strength_is_not_lost_in_bfloat16():
    y = torch.tensor([[0.0, 1.0]], dtype=torch.bfloat16)
    assert smoothed(y, 0.001)[0, 0].item() == pytest.approx(0.0005, rel=0.01)
