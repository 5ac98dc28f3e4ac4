"""What WeightDecay's card claims: its equals in torch, timm, Composer and Keras, and why Adam needs it decoupled."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from bridle import L2, WeightDecay, attach
from bridle.networks import mlp
from bridle.parameter_selection import acts_on

STEPS = 50
STRENGTH = 0.05
TIMMS: dict[str, dict[str, Any]] = {  # models of timm, made small
    "resnet10t": {},
    "convnextv2_atto": {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)},
    "vit_tiny_patch16_224": {"depth": 2, "embed_dim": 48, "img_size": 32},
}


def problem(dtype=torch.float64):
    """A 5-4-3 network and 16 rows with classes, always the same."""
    random = torch.Generator().manual_seed(0)
    network = mlp(4).build(5, 3).to(dtype)
    with torch.no_grad():
        for w in network.parameters():
            w.copy_(torch.randn(w.shape, generator=random, dtype=torch.float64))
    x = torch.randn(16, 5, generator=random, dtype=torch.float64).to(dtype)
    return network, x, torch.arange(16) % 3


def groups(network, decay):
    """The parameter groups of torch's users: matrices decay, biases do not."""
    named = list(network.named_parameters())
    chosen = [w for name, w in named if acts_on("matrices", name, w.ndim)]
    others = [w for name, w in named if not acts_on("matrices", name, w.ndim)]
    return [{"params": chosen, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def walk(make_optimizer, *, penalty=None, decay=None, dtype=torch.float64):
    """All parameters after each of 50 full-batch steps at a falling learning rate; regularized as asked."""
    network, x, y = problem(dtype)
    optimizer, path = make_optimizer(network), []
    for step in range(STEPS):
        lr = 0.1 * (1 - step / STEPS)
        for group in optimizer.param_groups:
            group["lr"] = lr
        matrices = [w for w in network.parameters() if w.ndim >= 2]
        loss = nn.functional.cross_entropy(network(x), y)
        loss = loss + sum(penalty.torch(w, strength=penalty.strength) for w in matrices) if penalty else loss
        optimizer.zero_grad()
        loss.backward()
        if decay:
            with torch.no_grad():
                for w in matrices:
                    decay.torch(w, strength=decay.strength, lr=lr, out=w)
        optimizer.step()
        path.append(torch.cat([w.detach().flatten() for w in network.parameters()]))
    return torch.stack(path)


def sgd(network, decay=0.0):
    return torch.optim.SGD(groups(network, decay), lr=0.1)


def adam(network, decay=0.0):
    return torch.optim.Adam(groups(network, decay), lr=0.1)


def test_under_sgd_penalty_coupled_and_decoupled_decay_walk_the_same_path():
    penalized = walk(sgd, penalty=L2(strength=STRENGTH))
    coupled = walk(lambda network: sgd(network, 2 * STRENGTH))
    decoupled = walk(sgd, decay=WeightDecay(strength=2 * STRENGTH))
    assert_allclose(penalized, coupled, rtol=1e-10, atol=1e-12)
    assert_allclose(decoupled, coupled, rtol=1e-10, atol=1e-12)
    assert not np.allclose(walk(sgd)[-1], coupled[-1], rtol=1e-3)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_under_adam_it_is_adamw(dtype, rtol):
    ours = walk(adam, decay=WeightDecay(strength=STRENGTH), dtype=dtype)
    theirs = walk(lambda network: torch.optim.AdamW(groups(network, STRENGTH), lr=0.1), dtype=dtype)
    assert_allclose(ours, theirs, rtol=rtol, atol=rtol)


def test_under_sgd_it_is_the_sgdw_of_timm(timm):
    def plain(network):
        return torch.optim.SGD(network.parameters(), momentum=0.9)

    theirs = walk(lambda network: timm.optim.SGDW(groups(network, STRENGTH), lr=0.1, momentum=0.9))
    assert_allclose(walk(plain, decay=WeightDecay(strength=STRENGTH)), theirs, rtol=1e-10, atol=1e-12)


def decays(model, optimizer):
    """The decay of each parameter, by name."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[each]: group["weight_decay"] for group in optimizer.param_groups for each in group["params"]}


@pytest.mark.parametrize("name", TIMMS)
def test_matrices_are_the_parameters_that_timm_lets_decay(timm, name):
    model = timm.create_model(name, **TIMMS[name])
    tokens = {"cls_token"} & {*getattr(model, "no_weight_decay", set)()}  # a vector in three axes
    theirs = torch.optim.AdamW(timm.optim.param_groups_weight_decay(model, STRENGTH, no_weight_decay_list=tokens))
    ours = torch.optim.AdamW(model.parameters())
    attach(model, ours, f"WeightDecay(strength={STRENGTH})")
    assert decays(model, ours) == decays(model, theirs)
    assert {*decays(model, ours).values()} == {0.0, STRENGTH}


def test_what_a_model_of_timm_keeps_from_decay_is_said_per_layer(timm):
    model = timm.create_model("vit_tiny_patch16_224", **TIMMS["vit_tiny_patch16_224"])
    theirs = timm.optim.create_optimizer_v2(model, opt="adamw", weight_decay=STRENGTH)
    ours = torch.optim.AdamW(model.parameters())
    attach(model, ours, f"WeightDecay(strength={{'pos_embed': 0.0, 'cls_token': 0.0, '*': {STRENGTH}}})")
    assert decays(model, ours) == decays(model, theirs)
    assert model.no_weight_decay() >= {"pos_embed", "cls_token"}


def test_under_adam_coupled_and_decoupled_decay_differ():
    penalized = walk(adam, penalty=L2(strength=STRENGTH))
    decoupled = walk(adam, decay=WeightDecay(strength=2 * STRENGTH))
    assert_allclose(penalized, walk(lambda network: adam(network, 2 * STRENGTH)), rtol=1e-9, atol=1e-11)
    assert (penalized[-1] - decoupled[-1]).abs().max() > 0.1


def lost_without_data(strength, *, coupled):
    """How much of a weight of 1 that no data speaks for is gone after 50 steps of Adam at a learning rate of 0.01."""
    w = nn.Parameter(torch.ones((), dtype=torch.float64))
    optimizer = torch.optim.Adam([w], lr=0.01)
    for _ in range(STEPS):
        g, now = torch.zeros_like(w), w.detach()
        w.grad = L2.add_gradient(g, now, strength=strength) if coupled else g
        if not coupled:
            WeightDecay.torch(now, strength=2 * strength, lr=0.01, out=now)
        optimizer.step()
    return 1 - w.item()


def test_under_adam_the_strength_of_a_coupled_penalty_hardly_matters():
    lost = [lost_without_data(strength, coupled=True) for strength in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)]
    assert min(lost) > 0.4
    assert max(lost) / min(lost) < 1.01


def test_under_adam_the_strength_of_decoupled_decay_is_what_it_says():
    for strength in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2):
        expected = 1 - (1 - 0.01 * 2 * strength) ** STEPS
        assert lost_without_data(strength, coupled=False) == pytest.approx(expected, rel=1e-6)


def reference(w, decay, gradients, peak):
    """Composer's DecoupledSGDW without momentum, along a falling learning rate."""
    for step, g in enumerate(gradients):
        lr = peak * (1 - step / len(gradients))
        w = w * (1 - lr / peak * decay) - lr * g
    return w


def ours(w, strength, gradients, peak, per):
    """Plain SGD behind the decay, both forms."""
    fast = torch.from_numpy(w)
    for step, g in enumerate(gradients):
        lr = peak * (1 - step / len(gradients))
        w = WeightDecay.vanilla(w, strength=strength, lr=lr, peak=peak, per=per) - lr * g
        fast = WeightDecay.torch(fast, strength=strength, lr=lr, peak=peak, per=per) - lr * torch.from_numpy(g)
    assert_allclose(fast, w, rtol=1e-12)
    return w


@pytest.mark.parametrize("peak", [0.01, 0.1, 3.0])
def test_per_schedule_it_is_composers_decoupled_decay_and_converts_by_the_highest_rate(peak):
    random = np.random.default_rng(0)
    w, gradients = random.normal(size=4), random.normal(size=(20, 4))
    expected = reference(w, STRENGTH, gradients, peak)
    assert_allclose(ours(w, STRENGTH, gradients, peak, "schedule"), expected, rtol=1e-12)
    assert_allclose(ours(w, STRENGTH / peak, gradients, peak, "lr"), expected, rtol=1e-12)


def test_per_schedule_the_decay_does_not_depend_on_the_base_learning_rate():
    still = np.zeros((20, 4))
    ends = [ours(np.ones(4), STRENGTH, still, peak, "schedule") for peak in (1e-4, 0.1, 3.0)]
    assert_allclose(ends[1:], [ends[0]] * 2, rtol=1e-12)
    slow, fast = (ours(np.ones(4), STRENGTH, still, peak, "lr")[0] for peak in (1e-4, 0.1))
    assert slow > 0.999
    assert fast < 0.96


def test_per_lr_it_is_the_weight_decay_of_keras():
    w = np.array([3.0, -4.0])
    assert_allclose(WeightDecay.vanilla(w, strength=0.3, lr=0.1), w - w * 0.3 * 0.1)  # variable - variable * wd * lr


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="per must be one of lr, schedule, got 'epoch'"):
        WeightDecay.vanilla(np.ones(2), strength=0.1, lr=0.1, per="epoch")


def test_decay_is_the_same_share_for_every_weight():
    w = np.array([1e-3, -1.0, 1e3])
    assert_allclose(WeightDecay.vanilla(w, strength=0.5, lr=0.1) / w, 0.95)


def test_decay_below_the_resolution_of_the_weights_does_nothing():
    w = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(WeightDecay.torch(w, strength=1e-15, lr=0.01), w)
    assert not torch.equal(WeightDecay.torch(w, strength=1e-3, lr=0.01), w)
