"""What SnapshotEnsemble's card claims: the mean of predictions, and cycles that each end with a copy."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import Protocol, SnapshotEnsemble

COPIES, ROWS, CLASSES = 4, 6, 3


def logits(scale=1.0):
    """Of some copies that do not agree."""
    return scale * np.random.default_rng(0).normal(size=(COPIES, ROWS, CLASSES))


def softmax(z):
    """Probabilities over the last axis."""
    p = np.exp(z - z.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def both_forms(z):
    """The same result of both."""
    ours, theirs = SnapshotEnsemble.vanilla(z), SnapshotEnsemble.torch(torch.from_numpy(z))
    assert_allclose(theirs, ours, rtol=1e-12, atol=1e-14)
    return ours


def test_the_probabilities_are_the_mean_of_those_of_the_copies():
    z = logits()
    assert_allclose(softmax(both_forms(z)), softmax(z).mean(0), rtol=1e-12)
    assert_allclose(np.exp(both_forms(z)), softmax(z).mean(0), rtol=1e-12)  # log-probabilities, in fact


def test_variants_may_stand_between_the_copies_and_the_rows():
    z = np.random.default_rng(0).normal(size=(COPIES, 2, 5, ROWS, CLASSES))
    together = both_forms(z)
    assert together.shape == (2, 5, ROWS, CLASSES)
    assert_allclose(together[1, 3], both_forms(z[:, 1, 3]), rtol=1e-12)


def test_one_output_is_a_regression_and_its_mean_is_taken():
    z = np.array([[[1.0], [2.0]], [[3.0], [-4.0]]])
    assert both_forms(z).tolist() == [[2.0], [-1.0]]


def test_the_loss_is_at_most_the_mean_loss_of_the_copies():
    z, truth = logits(3.0), np.arange(ROWS) % CLASSES
    losses = -np.log(softmax(z))[:, range(ROWS), truth]
    together = -both_forms(z)[range(ROWS), truth]
    assert (together <= losses.mean(0)).all()
    assert together.mean() < 0.9 * losses.mean()


def test_probabilities_too_small_for_a_number_keep_their_logarithm():
    z = np.array([[[0.0, -5000.0]], [[0.0, -6000.0]]])
    assert_allclose(both_forms(z), [[0.0, -5000 - math.log(2)]], rtol=1e-12)


def test_copies_count_alike_whatever_the_size_of_their_logits():
    z = logits()
    shifted = z + np.array([0.0, 10.0, -20.0, 300.0])[:, None, None]  # which no softmax notices
    assert_allclose(both_forms(shifted), both_forms(z), rtol=1e-9)


@pytest.mark.parametrize("cycles", [2, 3, 5, 7, 20])
@pytest.mark.parametrize("steps", [1, 2, 6, 7, 10, 100, 101])
def test_every_cycle_runs_to_its_end_and_leaves_a_copy(cycles, steps):
    unit = SnapshotEnsemble(cycles=cycles)
    spots = [unit.warped(step, steps) for step in range(steps)]
    lengths = [length for within, length in spots if within == 0]
    assert spots == [(within, length) for length in lengths for within in range(length)]
    assert max(lengths) - min(lengths) <= 1
    ends = np.cumsum(lengths) - 1
    assert [step for step in range(steps) if unit.takes(step, steps)] == ends.tolist()
    assert ends[-1] == steps - 1
    assert len(ends) == min(cycles, steps)


def test_the_learning_rate_is_the_papers_where_the_cycles_are_of_one_length():
    steps, cycles, lr = 60, 4, 0.3
    unit, protocol = SnapshotEnsemble(cycles=cycles), Protocol(lr=lr, schedule="cosine")
    length = math.ceil(steps / cycles)
    papers = [lr / 2 * (math.cos(math.pi * ((t - 1) % length) / length) + 1) for t in range(1, steps + 1)]
    ours = [protocol.learning_rate(*unit.warped(step, steps)) for step in range(steps)]
    assert_allclose(ours, papers, rtol=1e-12)
    assert ours[15] == ours[0] == lr
