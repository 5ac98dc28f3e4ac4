"""What Mixup's card claims: the law of the blend, the partner, and that mixed targets are mixed losses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose
from scipy import stats

from bridle import LabelSmoothing, Mixup
from bridle.seeded_draws import Noise

BATCHES = 4000
X, Y = np.array([[1.0], [0.0]]), np.eye(2)  # mixed, the first row is λ


def shares(alpha, form):
    """λ of many batches, on the noise of a run."""
    u, v = Noise(seed=1).uniform(0, 2, BATCHES, 1, 1)
    if form == "torch":
        x = torch.from_numpy(X).expand(BATCHES, 2, 1)
        return Mixup.torch(x, x, torch.from_numpy(u), torch.from_numpy(v), alpha=alpha)[0][:, 0, 0].numpy()
    pairs = zip(u, v, strict=True)
    return np.array([Mixup.vanilla(X, Y, one, other, alpha=alpha)[0][0, 0] for one, other in pairs])


@pytest.mark.parametrize("form", ["vanilla", "torch"])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_the_share_is_the_larger_of_two_from_the_beta_law(alpha, form):
    law = stats.beta(alpha, alpha)
    larger = stats.kstest(shares(alpha, form), lambda share: law.cdf(share) - law.cdf(1 - share))
    assert larger.pvalue > 1e-4


def test_another_alpha_is_another_law():
    law = stats.beta(1.0, 1.0)
    assert stats.kstest(shares(0.2, "torch"), lambda share: law.cdf(share) - law.cdf(1 - share)).pvalue < 1e-10


def test_the_larger_the_alpha_the_more_even_the_blend():
    means = [shares(alpha, "torch").mean() for alpha in (0.0, 0.1, 1.0, 10.0, 1000.0)]
    assert means == sorted(means, reverse=True)
    assert means[0] == 1.0
    assert means[-1] == pytest.approx(0.5, abs=0.02)


def test_the_partner_is_the_row_before():
    x, y = np.diag([1.0, 2.0, 3.0]), np.eye(3)
    rows, targets = Mixup.vanilla(x, y, np.array([[0.3]]), np.array([[0.1]]), alpha=1.0)
    lam = targets[0, 0]
    assert 0.5 < lam < 1
    assert_allclose(targets, lam * y + (1 - lam) * y[[2, 0, 1]])
    assert_allclose(rows, lam * x + (1 - lam) * x[[2, 0, 1]])


def test_which_of_a_pair_is_called_first_changes_no_pair():
    x = np.random.default_rng(0).normal(size=(5, 3))
    mixed = Mixup.vanilla(x, x, np.array([[0.3]]), np.array([[0.1]]), alpha=1.0)[0]
    lam = Mixup.vanilla(X, Y, np.array([[0.3]]), np.array([[0.1]]), alpha=1.0)[0][0, 0]
    after = (1 - lam) * x + lam * np.roll(x, -1, axis=0)  # the smaller share, and the row behind for a partner
    assert_allclose(after, np.roll(mixed, -1, axis=0))


@pytest.mark.parametrize("smoothing", [{"label_smoothing": 0.0}, {}])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_it_is_the_mixup_of_timm_which_smooths_by_a_tenth_unless_told_not_to(timm, monkeypatch, alpha, smoothing):
    x, ids = np.random.default_rng(0).normal(size=(6, 3)), np.arange(6) % 4
    strength = smoothing.get("label_smoothing", 0.1)
    y = LabelSmoothing.vanilla(x, np.eye(4)[ids], strength=strength)[1]
    u, v = np.array([[0.3]]), np.array([[0.1]])
    lam = Mixup.vanilla(X, Y, u, v, alpha=alpha)[0][0, 0]
    assert 0.5 < lam < 1
    monkeypatch.setattr(np.random, "beta", lambda *parameters: {(alpha, alpha): lam}[parameters])
    theirs = timm.data.Mixup(mixup_alpha=alpha, num_classes=4, **smoothing)
    # There the partners are the batch from its end: so what is mixed in, the rows before, stands behind the batch.
    twice = [np.concatenate([each, np.roll(each, 1, axis=0)[::-1]]) for each in (x, ids)]
    rows, targets = (each[:6] for each in theirs(*map(torch.from_numpy, twice)))
    for form in (Mixup.vanilla, lambda *arrays, **knobs: Mixup.torch(*map(torch.from_numpy, arrays), **knobs)):
        ours = form(x, y, u, v, alpha=alpha)
        assert_allclose(ours[0], rows, rtol=1e-12)
        assert_allclose(ours[1], targets, rtol=1e-6)  # in float32


def test_the_mean_of_a_batch_is_kept():
    x = np.random.default_rng(0).normal(size=(7, 3))
    mixed = Mixup.vanilla(x, x, np.array([[0.4]]), np.array([[0.2]]), alpha=0.5)[0]
    assert_allclose(mixed.mean(0), x.mean(0))


def test_the_loss_of_mixed_targets_is_the_mixed_loss_of_both():
    random = torch.Generator().manual_seed(0)
    x, ids = torch.randn(6, 4, generator=random), torch.arange(6) % 3
    u, v = torch.full((1, 1), 0.3), torch.full((1, 1), 0.1)
    rows, targets = Mixup.torch(x, F.one_hot(ids).float(), u, v, alpha=1.0)
    lam = targets[0, 0]
    z = rows @ torch.randn(4, 3, generator=random)
    both = lam * F.cross_entropy(z, ids) + (1 - lam) * F.cross_entropy(z, ids.roll(1))
    assert_allclose(F.cross_entropy(z, targets), both, rtol=1e-6)


@pytest.mark.parametrize("u", [0.0, 1 - 2.0**-24])
@pytest.mark.parametrize("v", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("alpha", [0.0, 1e-30, 1.0, 1e30])
def test_no_draw_breaks_it(u, v, alpha):
    for dtype in (torch.float32, torch.float64):
        x, draws = torch.tensor(X, dtype=dtype), (torch.full((1, 1), each, dtype=dtype) for each in (u, v))
        share = Mixup.torch(x, x, *draws, alpha=alpha)[0][0, 0].item()
        assert 0.5 <= share <= 1.0
        assert alpha > 0 or share == 1.0
        ours = Mixup.vanilla(X, X, np.full((1, 1), u), np.full((1, 1), v), alpha=alpha)[0][0, 0]
        assert share == pytest.approx(ours, abs=1e-3)
