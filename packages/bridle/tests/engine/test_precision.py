"""Products in bfloat16 are for training steps alone; what a run says of its model is in its weights' precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bridle import engine
from bridle.data import Data
from bridle.engine import precision
from bridle.networks import MLP, Network, convnet, mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe

BFLOAT16 = Protocol(lr=0.01, epochs=3, precision="bfloat16")


@pytest.mark.parametrize("network", [mlp(32, 16), convnet(4)], ids=str)
@pytest.mark.parametrize("recipe", ["BatchNorm + Dropout(rate=0.1)", "BatchNorm + SWA(start=0.5)", "EarlyStopping"])
def test_scores_and_curves_are_those_of_the_model_that_is_handed_over(
    images: Data, network: Network, recipe: str
) -> None:
    run = engine.train(images, recipe, network, BFLOAT16, seed=1)
    for split, (x, y) in images.splits().items():
        rows = torch.from_numpy(x)
        with torch.no_grad():
            z = run.model(rows.flatten(1) if isinstance(network, MLP) else rows)
        loss = nn.functional.cross_entropy(z, torch.from_numpy(y)).item()
        assert run.scores[split]["log_loss"] == pytest.approx(loss, rel=1e-5)
    assert run.curves["valid_loss"][(run.best_epoch or 3) - 1] == pytest.approx(
        run.scores["valid"]["log_loss"], rel=1e-6
    )


def test_only_training_steps_multiply_in_bfloat16(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.dtype] = []
    multiply = torch.baddbmm

    def noted(b: torch.Tensor, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        seen.append(x.dtype)
        return multiply(b, x, w)

    monkeypatch.setattr(torch, "baddbmm", noted)
    engine.train(digits, "none", mlp(8), BFLOAT16)
    steps = 3 * (len(digits.x_train) // BFLOAT16.batch_size)
    assert seen.count(torch.bfloat16) == 2 * steps
    assert set(seen) == {torch.bfloat16, torch.float32}


def test_an_evaluation_sees_the_rows_as_they_were_given(digits: Data) -> None:
    stack = engine.make_stack(digits, [Variant(Recipe(), 0)], mlp(8), BFLOAT16)
    assert stack.data.train_inputs.dtype == torch.bfloat16
    for split, (x, _) in digits.splits().items():
        assert torch.equal(stack.data.x[split], torch.from_numpy(x).flatten(1))


@pytest.mark.parametrize(("units", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_settled_by_the_device_and_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch, units: bool, chosen: str
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda device: units)
    assert engine.resolve_precision(Protocol(epochs=2)) == Protocol(epochs=2, precision=chosen)
    assert [engine.resolve_precision(Protocol(precision=each)).precision for each in ("float32", "float64")] == [
        "float32",
        "float64",
    ]
