"""A resumed training is bit for bit the uninterrupted one."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from loops import CRITERION, perceptron, train, weights

from bridle.attaching import Handle, attach

RECIPES = [
    "Dropout(rate=linear(0.1, 0.5)) + SAM + EMA + EarlyStopping",
    "Mixup + BatchNorm + WeightNorm + SpectralPenalty + L2ToInit + RDrop + WeightDecay(strength=cosine(0.5, 0.1))"
    " + SWA",
    "SpectralNorm + DropConnect(rate=0.3) + GradientNoise + ShrinkPerturb(every=0.1) + Lookahead(period=3)",
    "ASAM + ActivityL1 + VAT + WeightDecay(per='schedule') + MaxNorm + SnapshotEnsemble(cycles=3)",
]


def start(recipe: str, seed: int | None) -> tuple[Handle, Any]:
    model = perceptron()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    handle = attach(model, optimizer, recipe, loss=CRITERION, steps=12, seed=seed)
    return handle, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)


def go_on(handle: Handle, schedule: Any, steps: range) -> list[float]:
    losses = []
    for step in steps:
        losses += train(handle, 1, first=step)
        schedule.step()
        handle.stop(losses[-1])
    return losses


def saved(handle: Handle, schedule: Any) -> io.BytesIO:
    file = io.BytesIO()
    states = [each.state_dict() for each in (handle.model, handle.optimizer, schedule, handle)]
    torch.save([*states, torch.get_rng_state()], file)
    file.seek(0)
    return file


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_resumed_training_is_bit_for_bit_the_uninterrupted_one(recipe: str, seed: int | None) -> None:
    torch.manual_seed(0)
    whole, schedule = start(recipe, seed)
    go_on(whole, schedule, range(5))
    file = saved(whole, schedule)
    losses = go_on(whole, schedule, range(5, 11))

    torch.manual_seed(99)
    resumed, its_schedule = start(recipe, seed)
    *states, generator = torch.load(file, weights_only=True)
    for each, state in zip((resumed.model, resumed.optimizer, its_schedule, resumed), states, strict=True):
        each.load_state_dict(state)
    torch.set_rng_state(generator)
    assert go_on(resumed, its_schedule, range(5, 11)) == losses
    assert torch.equal(weights(resumed.model), weights(whole.model))
    assert resumed.steps_done == whole.steps_done == 11
    for handle in (whole, resumed):
        handle.restore_best()
    x = torch.ones(4, 6)
    with whole.averaged() as one, resumed.averaged() as other:
        assert torch.equal(one.eval()(x), other.eval()(x))


def test_the_state_of_another_recipe_is_refused() -> None:
    handle, _ = start("L2", None)
    other, _ = start("EMA", None)
    with pytest.raises(ValueError, match="the state is that of EMA"):
        handle.load_state_dict(other.state_dict())


def test_a_loaded_state_is_not_shared() -> None:
    handle, schedule = start("EMA(decay=0.5)", None)
    state = handle.state_dict()
    other, _ = start("EMA(decay=0.5)", None)
    other.load_state_dict(state)
    before = weights_of(other)
    go_on(handle, schedule, range(2))
    assert torch.equal(weights_of(other), before)


def weights_of(handle: Handle) -> torch.Tensor:
    with handle.averaged() as model:
        return weights(model)
