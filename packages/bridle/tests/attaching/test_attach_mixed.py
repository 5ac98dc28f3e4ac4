"""Automatic mixed precision: formulas in float32, gradients unscaled before they are changed, skipped steps skipped."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from loops import CRITERION, adam, data, perceptron, weight_of, weights
from torch import Tensor, nn

from bridle.attaching import Handle, attach
from bridle.places.module import LayerModule

ON_GRADIENTS = "L2(strength=0.01) + ClipNorm(limit=0.1) + WeightDecay(strength=0.1) + EMA(decay=0.5)"


def trained(recipe: str, scaler: Any, *, fused: bool, steps: int = 5) -> Handle:
    model = perceptron()
    handle = attach(model, adam(model, fused=fused), recipe, loss=CRITERION, steps=10, seed=1)
    for _ in range(steps):
        handle.step(*data(), scaler=scaler)
    return handle


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    "recipe", [ON_GRADIENTS, f"SAM(radius=0.1) + ActivityL1 + {ON_GRADIENTS}", "ASAM + Dropout(rate=0.2)"]
)
def test_scaled_gradients_give_the_same_training(recipe: str, fused: bool) -> None:
    scaled = trained(recipe, torch.amp.GradScaler("cpu", init_scale=2.0**10), fused=fused)
    plain = trained(recipe, None, fused=fused)
    torch.testing.assert_close(weights(scaled.model), weights(plain.model), rtol=1e-4, atol=1e-6)
    with scaled.averaged() as one, plain.averaged() as other:
        torch.testing.assert_close(weights(one), weights(other), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("recipe", [f"MaxNorm(limit=0.01) + {ON_GRADIENTS}", f"SAM + {ON_GRADIENTS}"])
def test_a_step_that_the_scaler_skips_did_not_happen(recipe: str, fused: bool) -> None:
    handle = trained(recipe, None, fused=fused, steps=1)
    before, average = weights(handle.model), [each.clone() for each in handle.state_dict()["averages"][0].values()]
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    handle.step(data()[0] * 1e10, data()[1], scaler=scaler)
    assert scaler.get_scale() < 2.0**127
    assert torch.equal(weights(handle.model), before)
    assert all(map(torch.equal, handle.state_dict()["averages"][0].values(), average))
    assert handle.steps_done == 1
    handle.step(*data())
    assert handle.steps_done == 2


def test_the_loop_with_a_scaler_may_be_written_out() -> None:
    model = perceptron()
    handle = attach(model, adam(model), f"SAM(radius=0.1) + {ON_GRADIENTS}", seed=1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    x, y = data()
    for _ in range(5):
        scaler.scale(CRITERION(model(x), y)).backward()
        handle.ascend(lambda: CRITERION(model(x), y), scaler)
        scaler.unscale_(handle.optimizer)
        scaler.step(handle.optimizer)
        scaler.update()
        handle.optimizer.zero_grad()
    plain = trained(f"SAM(radius=0.1) + {ON_GRADIENTS}", None, fused=False)
    torch.testing.assert_close(weights(model), weights(plain.model), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "recipe", ["BatchNorm + WeightNorm + SpectralNorm + Dropout(rate=0.2)", "RDrop + VAT + ActivityL2", "FGSM + SAM"]
)
def test_a_network_under_autocast_trains(recipe: str) -> None:
    model = perceptron()
    handle = attach(model, adam(model), recipe, loss=CRITERION)
    seen: list[Tensor] = []
    for part in model.modules():
        if isinstance(part, LayerModule):
            part.register_forward_hook(lambda part, inputs, output: seen.append(output))
    losses = []
    for _ in range(30):
        with torch.autocast("cpu", torch.bfloat16):
            losses.append(handle.step(*data()).item())
    assert losses[-1] < losses[0]
    assert all(each.dtype == torch.bfloat16 for each in seen)
    assert all(each.dtype == torch.float32 for each in model.parameters())


def test_formulas_are_computed_in_float32_under_autocast() -> None:
    model = perceptron()
    attach(model, adam(model), "SpectralNorm(on='2.weight')")
    twin = copy.deepcopy(model)
    with torch.no_grad():
        exact = weight_of(twin, "2")
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(weight_of(model, "2"), exact)


def test_second_passes_run_under_the_autocast_of_the_first() -> None:
    types: list[torch.dtype] = []
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    handle = attach(model, adam(model), "JacobianPenalty + RDrop")
    model[2].register_forward_hook(lambda part, inputs, output: types.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        model(data()[0])
    assert handle.penalty().dtype == torch.float32
    assert types == [torch.bfloat16] * 3


def test_a_model_in_bfloat16_trains() -> None:
    model = perceptron().bfloat16()
    recipe = (
        "Mixup + BatchNorm + Dropout(rate=0.1) + WeightNorm + L2 + RDrop + ClipNorm + WeightDecay(strength=0.5) + EMA"
    )
    handle = attach(model, adam(model), recipe, loss=CRITERION)
    x, y = data(torch.bfloat16)
    losses = [handle.step(x, y).item() for _ in range(30)]
    assert losses[-1] < losses[0]
