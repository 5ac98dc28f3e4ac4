"""What HardBootstrap's card claims: the loss of the paper, less pull from wrong labels, why it is not the soft form."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose

from bridle import HardBootstrap

CLASSES = 4


def pull(logits, targets):
    """The gradient of each row's cross-entropy with respect to its logits."""
    z = torch.tensor(logits, requires_grad=True)
    F.cross_entropy(z, torch.as_tensor(targets), reduction="sum").backward()
    assert z.grad is not None
    return z.grad.numpy()


def problem():
    """Logits, their probabilities, and one-hot labels, some of which contradict them."""
    random = np.random.default_rng(0)
    logits = 3 * random.normal(size=(30, CLASSES))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return logits, probabilities, np.eye(CLASSES)[random.integers(CLASSES, size=30)]


def test_the_loss_is_that_of_the_paper_at_beta_of_one_minus_the_strength():
    logits, q, t = problem()
    beta = 0.8
    z = (q == q.max(1, keepdims=True)).astype(float)
    theirs = -((beta * t + (1 - beta) * z) * np.log(q)).sum(1).mean()
    targets = HardBootstrap.vanilla(logits, t, q, strength=1 - beta)[1]
    assert_allclose(F.cross_entropy(torch.tensor(logits), torch.tensor(targets)), theirs)


def test_labels_that_the_network_agrees_with_stay():
    logits, q, t = problem()
    agreed = q.argmax(1) == t.argmax(1)
    targets = HardBootstrap.vanilla(logits, t, q, strength=0.2)[1]
    assert 3 < agreed.sum() < 27
    assert_allclose(targets[agreed], t[agreed])
    assert_allclose(abs(targets - t).max(1)[~agreed], 0.2)


def test_a_label_that_contradicts_the_network_pulls_less():
    logits, q, t = problem()
    contradicted = q.argmax(1) != t.argmax(1)
    corrected = HardBootstrap.vanilla(logits, t, q, strength=0.2)[1]
    before, after = (np.linalg.norm(pull(logits, y)[contradicted], axis=1) for y in (t, corrected))
    assert (after < before).all()


def test_the_soft_form_would_only_scale_the_gradient_and_the_hard_one_does_not():
    logits, q, t = problem()
    soft, hard = 0.8 * t + 0.2 * q, HardBootstrap.vanilla(logits, t, q, strength=0.2)[1]
    assert_allclose(pull(logits, soft), 0.8 * pull(logits, t), atol=1e-14)
    assert not np.allclose(pull(logits, hard), 0.8 * pull(logits, t), atol=0.05)


def test_where_classes_are_equally_likely_both_forms_take_the_first():
    y, q = np.eye(CLASSES), np.full((CLASSES, CLASSES), 1 / CLASSES)
    ours = HardBootstrap.vanilla(y, y, q, strength=0.5)[1]
    theirs = HardBootstrap.torch(*map(torch.from_numpy, (y, y, q)), strength=0.5)[1]
    assert np.array_equal(ours, theirs)
    assert (ours[1:, 0] == 0.5).all()
