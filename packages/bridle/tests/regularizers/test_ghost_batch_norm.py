"""What GhostBatchNorm's card claims, against torch's batch norm applied to each part in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import functional

from bridle import GhostBatchNorm
from bridle.places import RunningStatistics

UNITS = 3
NUMBERS: dict[str, Any] = {"momentum": 0.3, "eps": 1e-3}
FORMS = ("vanilla", "torch")


def inputs(rows=16):
    """Activations away from zero, gammas and betas away from one and zero, untrained running statistics."""
    random = np.random.default_rng(0)
    return [
        3 + 2 * random.normal(size=(rows, UNITS)),
        *random.normal(size=(2, UNITS)),
        np.zeros(UNITS),
        np.ones(UNITS),
    ]


def forward(form, h, weight, bias, *state, parts="4", **numbers):
    """One training step of either form: the output and the new running statistics."""
    numbers = NUMBERS | numbers
    if form == "torch":
        x, gain, offset, *rest = map(torch.from_numpy, (h, weight, bias, *state))
        fast, statistics = GhostBatchNorm.torch(x, gain, offset, RunningStatistics(*rest), parts=parts, **numbers)
        return tuple(each.numpy() for each in (fast, *statistics))
    out, new, _ = GhostBatchNorm.vanilla(h, weight, bias, RunningStatistics(*state), parts=parts, **numbers)
    return out, *new


def of_each_part(h, weight, bias, parts):
    """torch's own batch norm of each part, as tensors with their graph."""
    return torch.cat(
        [
            functional.batch_norm(part, None, None, weight, bias, training=True, eps=NUMBERS["eps"])
            for part in torch.tensor_split(h, int(parts))
        ]
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("rows", "parts"), [(16, "2"), (16, "8"), (19, "4"), (11, "4"), (17, "8")])
def test_each_part_is_normalized_by_itself(form, rows, parts):
    given = inputs(rows)
    out = forward(form, *given, parts=parts)[0]
    h, weight, bias = map(torch.from_numpy, given[:3])
    assert_allclose(out, of_each_part(h, weight, bias, parts), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("rows", "parts"), [(16, "4"), (19, "4")])
def test_gradients_are_those_of_torch(rows, parts):
    given = inputs(rows)
    tensors = [torch.tensor(each, requires_grad=True) for each in given[:3]]
    g = np.random.default_rng(1).normal(size=(rows, UNITS))
    h, weight, bias = tensors
    of_each_part(h, weight, bias, parts).backward(torch.from_numpy(g))
    x, gain, offset, *state = given
    by_hand = GhostBatchNorm.vanilla(x, gain, offset, RunningStatistics(*state), parts=parts, **NUMBERS)[-1](g)
    for ours, theirs in zip(by_hand, tensors, strict=True):
        assert theirs.grad is not None
        assert_allclose(ours, theirs.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rows", [16, 19])
def test_running_statistics_move_by_the_parts_average(form, rows):
    given = inputs(rows)
    _, mean, var = forward(form, *given)
    ghosts = np.array_split(given[0], 4)
    assert_allclose(mean, 0.3 * np.mean([ghost.mean(0) for ghost in ghosts], 0), rtol=1e-12)
    assert_allclose(var, 0.7 + 0.3 * np.mean([ghost.var(0, ddof=1) for ghost in ghosts], 0), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_they_come_to_what_the_paper_and_composer_make_of_them(form):
    ghost = inputs(4)[0]
    given = [np.tile(ghost, (4, 1)), *inputs()[1:]]  # four parts that are alike
    m, layers = 0.1, [torch.nn.BatchNorm1d(UNITS, momentum=momentum).double() for momentum in (0.1, 0.1 / 4)]
    for layer in layers:
        for _ in range(4):  # the parts in turn
            layer(torch.from_numpy(ghost))
    paper, composer = layers
    assert_allclose(forward(form, *given, momentum=1 - (1 - m) ** 4)[1], paper.get_buffer("running_mean"), rtol=1e-12)
    assert_allclose(forward(form, *given, momentum=m)[1], composer.get_buffer("running_mean"), rtol=m / 2)


@pytest.mark.parametrize("form", FORMS)
def test_a_row_sees_the_rows_of_its_own_part_and_no_others(form):
    h, *rest = inputs()
    before = forward(form, h, *rest)[0]
    h[0] += 5
    after = forward(form, h, *rest)[0]
    assert (abs(after[:4] - before[:4]).max(1) > 0.01).all()
    assert_allclose(after[4:], before[4:], rtol=1e-13)


@pytest.mark.parametrize("form", FORMS)
def test_the_noise_of_the_statistics_is_that_of_a_batch_of_the_parts_size(form):
    h = np.random.default_rng(0).normal(size=(4096, 50))
    ones, zeros = np.ones(50), np.zeros(50)
    out = forward(form, h, ones, zeros, zeros, ones, parts="32", eps=1e-12)[0]
    shifts = (h - out).reshape(32, 128, 50).mean(1)  # by how much each part of 128 rows was moved: its mean, nearly
    # The variance of a mean of 128 is 1 / 128; that of 1600 such squares has a deviation of √(2 / 1600) of it.
    assert (shifts**2).mean() * 128 == pytest.approx(1, abs=5 * np.sqrt(2 / 1600))


def test_evaluation_is_that_of_torch():
    h, weight, bias, mean, var = inputs()
    mean, var = mean + 0.5, var * 2
    x, means, variances, gain, offset = map(torch.from_numpy, (h, mean, var, weight, bias))
    theirs = functional.batch_norm(x, means, variances, gain, offset, eps=NUMBERS["eps"])
    ours = GhostBatchNorm.evaluate(h, weight, bias, RunningStatistics(mean, var), parts="4", **NUMBERS)
    assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_parts_of_fewer_than_two_rows_are_refused_in_a_sentence(form):
    sentence = "GhostBatchNorm: each of 8 parts of a training batch must have at least 2 rows, got 15 rows; take larger"
    with pytest.raises(ValueError, match=sentence):
        forward(form, *inputs(15), parts="8")
