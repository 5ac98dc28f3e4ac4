"""What GroupNorm's card claims, against torch's group, layer and instance norms in float64."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import functional

from bridle import GroupNorm

BATCH, CHANNELS, EPS = 3, 8, 1e-3
FORMS = ("vanilla", "torch")
SHAPES = ((BATCH, CHANNELS, 3, 4), (BATCH, CHANNELS, 1, 1))  # images, a plain batch
GROUPS = ("1", "2", "4")


def inputs(shape=SHAPES[0]):
    """Activations away from zero, gammas and betas away from one and zero."""
    random = np.random.default_rng(0)
    return [3 + 2 * random.normal(size=shape), *random.normal(size=(2, CHANNELS, 1, 1))]


def forward(form, *given, groups, eps=EPS):
    """One training step of either form."""
    if form == "torch":
        return GroupNorm.torch(*map(torch.from_numpy, given), eps=eps, groups=groups).numpy()
    return GroupNorm.vanilla(*given, eps=eps, groups=groups)[0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_group_norm_of_torch(form, groups, shape):
    h, weight, bias = given = inputs(shape)
    gain, offset = (torch.from_numpy(each.ravel()) for each in (weight, bias))
    theirs = functional.group_norm(torch.from_numpy(h), int(groups), gain, offset, EPS)
    assert_allclose(forward(form, *given, groups=groups), theirs, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_those_of_torch(groups, shape):
    given = inputs(shape)
    tensors = [torch.tensor(each.reshape(shape if each.ndim == 4 else -1), requires_grad=True) for each in given]
    g = np.random.default_rng(1).normal(size=shape)
    h, weight, bias = tensors
    functional.group_norm(h, int(groups), weight, bias, EPS).backward(torch.from_numpy(g))
    by_hand = GroupNorm.vanilla(*given, eps=EPS, groups=groups)[1](g)
    for ours, theirs, each in zip(by_hand, tensors, given, strict=True):
        assert theirs.grad is not None
        assert_allclose(ours, theirs.grad.view(each.shape), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_one_group_is_a_layer_norm_over_channels_height_and_width(form):
    h = inputs()[0]
    out = forward(form, h, np.ones((CHANNELS, 1, 1)), np.zeros((CHANNELS, 1, 1)), groups="1")
    assert_allclose(out, functional.layer_norm(torch.from_numpy(h), h.shape[1:], eps=EPS), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("form", FORMS)
def test_as_many_groups_as_channels_are_an_instance_norm(form):
    h = inputs()[0]
    out = forward(form, h, np.ones((CHANNELS, 1, 1)), np.zeros((CHANNELS, 1, 1)), groups=str(CHANNELS))
    assert_allclose(out, functional.instance_norm(torch.from_numpy(h), eps=EPS), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("form", FORMS)
def test_before_gamma_every_group_of_every_example_has_zero_mean_and_unit_variance(form):
    out = forward(form, inputs()[0], np.ones((CHANNELS, 1, 1)), np.zeros((CHANNELS, 1, 1)), groups="2", eps=1e-12)
    groups = out.reshape(BATCH, 2, -1)
    assert_allclose(groups.mean(-1), 0, atol=1e-14)
    assert_allclose(groups.var(-1), 1, rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_one_group_knows_nothing_of_another_and_one_example_nothing_of_another(form):
    h, *rest = inputs()
    changed = h.copy()
    changed[0, :4] *= 7
    before, after = (forward(form, each, *rest, groups="2", eps=1e-12) for each in (h, changed))
    assert_allclose(after, before, rtol=1e-9)  # a group that is larger as a whole comes out the same
    changed[0, 0] *= 7
    after = forward(form, changed, *rest, groups="2", eps=1e-12)
    assert abs(after[0, :4] - before[0, :4]).max() > 0.1
    assert_allclose(after[0, 4:], before[0, 4:], rtol=1e-12)
    assert_allclose(after[1:], before[1:], rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_evaluation_is_as_training(form):
    given = inputs()
    evaluated = GroupNorm.evaluate(*given, eps=EPS, groups="4")
    assert_allclose(evaluated, forward(form, *given, groups="4"), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_channels_that_do_not_divide_are_refused_in_a_sentence(form):
    with pytest.raises(ValueError, match="GroupNorm: 8 channels do not divide into 16 groups of one size"):
        forward(form, *inputs(), groups="16")


@pytest.mark.parametrize("form", FORMS)
def test_groups_of_one_value_are_refused_in_a_sentence(form):
    with pytest.raises(ValueError, match="GroupNorm: 8 groups of 8 channels hold one value each; take fewer groups"):
        forward(form, *inputs(SHAPES[1]), groups="8")


@pytest.mark.parametrize("shape", [(BATCH, CHANNELS), (BATCH, CHANNELS, 5), (BATCH, CHANNELS, 5, 2)])
def test_the_module_takes_plain_batches_sequences_and_images(shape):
    h = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    module = GroupNorm(eps=EPS, groups="2").module(CHANNELS, axes=len(shape))
    grouped = module(h).detach().reshape(BATCH, 2, -1)
    assert_allclose(grouped.mean(-1), 0, atol=1e-6)
    assert_allclose(grouped.var(-1, correction=0), 1, rtol=0.01)
