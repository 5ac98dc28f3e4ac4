"""What BatchNorm's card claims, against torch.nn.BatchNorm1d in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import BatchNorm
from bridle.places import RunningStatistics

BATCH, UNITS = 16, 4
NUMBERS: dict[str, Any] = {"momentum": 0.3, "eps": 1e-3}
FORMS = ("vanilla", "torch")


@pytest.fixture
def reference():
    """torch's own layer with gammas and betas away from one and zero."""
    layer = torch.nn.BatchNorm1d(UNITS, **NUMBERS).double()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(UNITS, generator=random))
        layer.bias.copy_(torch.randn(UNITS, generator=random))
    return layer


def batches(count, rows=BATCH):
    random = torch.Generator().manual_seed(1)
    return [3 + 2 * torch.randn(rows, UNITS, generator=random, dtype=torch.float64) for _ in range(count)]


def fresh(layer):
    """The parameters of ``layer`` and untrained running statistics."""
    return [layer.weight.detach().clone(), layer.bias.detach().clone(), torch.zeros(UNITS), torch.ones(UNITS)]


def forward(form, h, weight, bias, *state):
    """One training step of either form: the output and the new running statistics, as tensors."""
    x, gain, offset, *rest = (each.double() for each in (h, weight, bias, *state))
    if form == "torch":
        fast, statistics = BatchNorm.torch(x, gain, offset, RunningStatistics(*rest), **NUMBERS)
        return fast, *statistics
    x, gain, offset, *rest = (each.numpy() for each in (x, gain, offset, *rest))
    out, new, _ = BatchNorm.vanilla(x, gain, offset, RunningStatistics(*rest), **NUMBERS)
    return tuple(map(torch.from_numpy, (out, *new)))


@pytest.mark.parametrize("form", FORMS)
def test_training_and_running_statistics_are_those_of_torch_over_several_batches(form, reference):
    weight, bias, *state = fresh(reference)
    for h in batches(5):
        out, *state = forward(form, h, weight, bias, *state)
        assert_allclose(out, reference(h).detach(), rtol=1e-12, atol=1e-12)
        assert_allclose(state[0], reference.running_mean, rtol=1e-12)
        assert_allclose(state[1], reference.running_var, rtol=1e-12)


def test_evaluation_is_that_of_torch(reference):
    for h in batches(5):
        reference(h)
    h = batches(6)[-1]
    statistics = RunningStatistics(reference.running_mean, reference.running_var)
    given = [reference.weight, reference.bias, statistics]
    ours = BatchNorm.evaluate(h, *given, **NUMBERS)
    assert_allclose(ours.detach(), reference.eval()(h).detach(), rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_torch(reference):
    h, g = (each.requires_grad_() for each in batches(2))
    reference(h).backward(g)
    theirs = [each.grad.numpy() for each in (h, reference.weight, reference.bias)]
    h, weight, bias, *state = [each.double().numpy() for each in (h.detach(), *fresh(reference))]
    by_hand = BatchNorm.vanilla(h, weight, bias, RunningStatistics(*state), **NUMBERS)[-1](g.detach().numpy())
    for ours, expected in zip(by_hand, theirs, strict=True):
        assert_allclose(ours, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_before_gamma_every_unit_has_zero_mean_and_unit_variance(form):
    h = batches(1)[0]
    zeros, ones = torch.zeros(UNITS), torch.ones(UNITS)
    out = forward(form, h, ones, zeros, zeros, ones)[0]
    var = h.var(0, correction=0)
    assert_allclose(out.mean(0), 0, atol=1e-14)
    assert_allclose(out.var(0, correction=0), var / (var + NUMBERS["eps"]), rtol=1e-12)
    assert_allclose(out.var(0, correction=0), 1, rtol=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_with_momentum_one_the_running_statistics_are_those_of_the_last_batch_unbiased(form):
    h = batches(1)[0]
    zeros, ones = np.zeros(UNITS), np.ones(UNITS)
    given = [h.numpy(), ones, zeros, zeros, ones]
    given = given if form == "vanilla" else [torch.from_numpy(each) for each in given]
    results = getattr(BatchNorm, form)(*given[:3], RunningStatistics(*given[3:]), momentum=1.0, eps=1e-5)
    assert_allclose(results[1].running_mean, h.mean(0), rtol=1e-12)
    assert_allclose(results[1].running_var, h.var(0, correction=1), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_of_two_rows_is_normalized_to_minus_and_plus_one(form):
    zeros, ones = torch.zeros(UNITS), torch.ones(UNITS)
    out = forward(form, torch.tensor([[1.0] * UNITS, [201.0] * UNITS]), ones, zeros, zeros, ones)[0]
    assert_allclose(out, [[-1.0] * UNITS, [1.0] * UNITS], rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rows", [0, 1])
def test_a_batch_of_fewer_than_two_rows_is_refused_in_a_sentence(form, rows):
    zeros, ones = torch.zeros(UNITS), torch.ones(UNITS)
    with pytest.raises(ValueError, match=f"BatchNorm: a training batch must have at least 2 rows, got {rows}"):
        forward(form, torch.zeros(rows, UNITS), ones, zeros, zeros, ones)


def test_one_row_alone_can_be_evaluated(reference):
    h = batches(1, rows=1)[0]
    statistics = RunningStatistics(reference.running_mean, reference.running_var)
    given = [reference.weight, reference.bias, statistics]
    ours = BatchNorm.evaluate(h, *given, **NUMBERS).detach()
    assert_allclose(ours, reference.eval()(h).detach(), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_a_constant_unit_becomes_its_beta(form):
    bias = torch.arange(1.0, 1 + UNITS)
    out = forward(form, torch.full((BATCH, UNITS), 0.1), torch.ones(UNITS), bias, torch.zeros(UNITS), torch.ones(UNITS))
    assert_allclose(out[0], bias.double().expand(BATCH, UNITS), atol=1e-12)


def test_the_scale_of_the_weights_before_it_does_not_matter():
    h, zeros, ones = batches(1)[0], torch.zeros(UNITS), torch.ones(UNITS)
    small, large = (
        BatchNorm.torch(h * scale, ones, zeros, RunningStatistics(zeros, ones), momentum=0.1, eps=1e-12)[0]
        for scale in (1, 9)
    )
    assert_allclose(small, large, rtol=1e-9, atol=1e-9)


def test_the_momentum_of_keras_is_what_stays():
    h, weight, bias, *state = (each.double() for each in (batches(1)[0], *fresh(torch.nn.BatchNorm1d(UNITS))))
    _, (mean, var) = BatchNorm.torch(h, weight, bias, RunningStatistics(*state), momentum=1 - 0.99, eps=1e-3)
    keras = [0.99 * old + (1 - 0.99) * new for old, new in zip(state, (h.mean(0), h.var(0, correction=0)), strict=True)]
    assert_allclose(mean, keras[0], rtol=1e-12)
    assert_allclose(var - 0.99, (keras[1] - 0.99) * BATCH / (BATCH - 1), rtol=1e-11)  # unbiased here


def test_the_gradient_has_a_gradient_of_its_own(reference):
    weight, bias, *state = (each.double() for each in fresh(reference))
    given = [each.requires_grad_() for each in (batches(1, rows=4)[0], weight, bias)]
    statistics = RunningStatistics(*state)
    assert torch.autograd.gradgradcheck(
        lambda h, weight, bias: BatchNorm.torch(h, weight, bias, statistics, **NUMBERS)[0], given
    )
