"""What EMA's card claims: torch's average, the warm-ups of others, and what a decay leaves of the first weights."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bridle import EMA

STEPS = 30


def averaged(path, **knobs):
    """Both forms along a path of weights, whose first are the initial ones: the averages after each step."""
    ours, theirs = [path[0]], [torch.from_numpy(path[0])]
    for step, w in enumerate(path[1:]):
        told = {"step": step, "steps": len(path) - 1}
        ours.append(EMA.vanilla(ours[-1], w, **knobs, **told)[0])
        theirs.append(EMA.torch(theirs[-1], torch.from_numpy(w), **knobs, **told)[0])
    assert_allclose(np.stack(theirs), np.stack(ours), rtol=1e-12, atol=1e-14)
    return ours


def walk(*shape, steps=STEPS):
    """Weights that wander."""
    return np.random.default_rng(0).normal(size=(steps + 1, *shape)).cumsum(0)


@pytest.fixture
def by_torch():
    """A function that begins an average of a model; it returns that and what moves it on."""

    def begin(model, decay):
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        average.update_parameters(model)  # the first call copies: before the first step, as bridle begins
        return average.module, average.update_parameters

    return begin


@pytest.fixture
def by_timm(timm):
    """The same of timm."""

    def begin(model, decay, **knobs):
        average = timm.utils.ModelEmaV3(model, decay=decay, **knobs)
        return average.module, average.update

    return begin


@pytest.mark.parametrize("library", ["by_torch", "by_timm"])
def test_the_average_of_a_training_is_that_of_torch_and_timm_running_statistics_included(library, request):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).double()
    theirs, update = request.getfixturevalue(library)(model, 0.9)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    ours = {name: value.clone() for name, value in model.state_dict().items() if value.is_floating_point()}
    for step in range(STEPS):
        optimizer.zero_grad()
        model(torch.randn(8, 3, dtype=torch.float64)).square().mean().backward()
        optimizer.step()
        update(model)
        for name, w in model.state_dict().items():
            if name in ours:
                ours[name] = EMA.torch(ours[name], w, decay=0.9, warmup=0.0, step=step, steps=STEPS)[0]
    averages = theirs.state_dict()
    assert not torch.equal(averages["0.weight"], model.state_dict()["0.weight"])
    for name, a in ours.items():
        assert_allclose(a, averages[name], rtol=1e-12, err_msg=name)


def by_decays(path, decays):
    """The textbook recursion with another decay at each step."""
    averages = [path[0]]
    for w, decay in zip(path[1:], decays, strict=True):
        averages.append(decay * averages[-1] + (1 - decay) * w)
    return averages


def test_a_warmup_of_nine_is_that_of_tensorflow():
    path = walk(5)
    decays = [min(0.8, (1 + updates) / (10 + updates)) for updates in range(STEPS)]
    assert len(set(decays)) > 20, "the warm-up is over too soon to be seen"
    assert_allclose(averaged(path, decay=0.8, warmup=9.0), by_decays(path, decays), rtol=1e-12)


def test_a_warmup_of_one_is_that_of_mean_teacher():
    path = walk(5)
    decays = [min(1 - 1 / (global_step + 1), 0.95) for global_step in range(1, STEPS + 1)]
    assert_allclose(averaged(path, decay=0.95, warmup=1.0), by_decays(path, decays), rtol=1e-12)


@pytest.mark.parametrize("gamma", [1.0, 4.0])
def test_the_warmup_gamma_of_timm_is_the_warmup_from_the_second_step_on(by_timm, gamma):
    path = walk(5)
    model = nn.ParameterList([torch.from_numpy(path[0])])
    theirs, update = by_timm(model, 0.9, use_warmup=True, warmup_gamma=gamma, warmup_power=1.0)
    averages = []
    for step, w in enumerate(path[1:], 1):
        model[0].data = torch.from_numpy(w)
        update(model, step)
        averages.append(theirs[0].detach().clone())
    assert_allclose(averages[0], path[1])  # it begins with the weights after the first step
    assert_allclose(torch.stack(averages), averaged(path[1:], decay=0.9, warmup=gamma), rtol=1e-12)


def test_a_warmup_of_one_begins_as_the_plain_mean_of_all_weights():
    path = walk(5)
    assert_allclose(averaged(path, decay=0.999, warmup=1.0)[-1], path.mean(0), rtol=1e-12)


def test_the_update_is_a_function_of_the_decay_alone_once_the_warmup_is_over():
    a, w = np.zeros(1), np.ones(1)
    late = [EMA.vanilla(a, w, decay=0.9, warmup=warmup, step=10_000, steps=20_000)[0] for warmup in (0.0, 9.0)]
    assert late[0] == late[1] == pytest.approx(0.1)


def test_without_warmup_a_third_of_the_initial_weights_remains_after_one_over_one_minus_decay_steps():
    path = np.zeros((1001, 1))
    path[0] = 1.0  # only the initial weight is not 0
    assert averaged(path, decay=0.999, warmup=0.0)[-1] == pytest.approx(math.exp(-1), rel=1e-3)
    assert averaged(path, decay=0.999, warmup=9.0)[-1] < 1e-15


def test_weights_that_rest_are_their_own_average_bit_for_bit():
    w = torch.from_numpy(walk(100)[-1]).float()
    assert torch.equal(EMA.torch(w, w.clone(), decay=0.999, warmup=9.0, step=5, steps=10)[0], w)


def test_the_weights_that_train_are_handed_back_untouched():
    a, w = torch.zeros(3), torch.ones(3)
    assert EMA.torch(a, w, decay=0.9, warmup=9.0, step=0, steps=10)[1] is w


def test_noise_around_a_resting_point_is_lowered_as_theory_says():
    random = np.random.default_rng(0)
    a = np.zeros(20_000)
    for step in range(100):
        a = EMA.vanilla(a, random.normal(size=a.shape), decay=0.9, warmup=0.0, step=step, steps=100)[0]
    # The variance of Σ (1 - d) dⁱ ε is (1 - d) / (1 + d); that of an estimated variance is 2 / n.
    assert a.var() == pytest.approx(0.1 / 1.9, rel=5 * math.sqrt(2 / a.size))


def test_a_decay_near_one_still_moves_in_bfloat16():
    a, w = torch.zeros(1, dtype=torch.bfloat16), torch.ones(1, dtype=torch.bfloat16)
    new = EMA.torch(a, w, decay=0.999, warmup=0.0, step=0, steps=10)[0]
    assert new.dtype == torch.bfloat16
    assert new.item() == pytest.approx(0.001, rel=0.01)
