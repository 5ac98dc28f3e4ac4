"""What a recipe's layers stand beside in the model is noted: norms, ways around, the branches of LoRA."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from loops import CRITERION, adam, perceptron
from torch import Tensor, nn

from bridle.attaching import Handle, attach
from bridle.networks import Residual
from own_layers import Block


class Branch(Block):
    """Without what goes around."""

    forward = Block.branch


class ResNet(nn.Module):
    def __init__(self, *, around: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.bn = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.block: nn.Module = Branch(4) if around else Block(4)
        self.around = around
        self.wide, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.bn(self.stem(x)))
        h = self.block(h) + h if self.around else self.block(h)
        return self.head(torch.relu(self.wide(h.mean((2, 3)))))


IMAGES = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def put(model: nn.Module, recipe: str, **keywords: Any) -> Handle:
    trained = [each for each in model.parameters() if each.requires_grad]
    return attach(model, torch.optim.AdamW(trained), recipe, loss=CRITERION, **keywords)


def notes(handle: Handle, words: str) -> list[str]:
    return [note for note in handle.notes if words in note]


@pytest.mark.parametrize("example", [None, IMAGES])
@pytest.mark.parametrize("name", ["Dropout", "SpatialDropout", "GaussianDropout"])
def test_noise_in_front_of_the_models_batch_norms(name: str, example: Any) -> None:
    (note,) = notes(put(ResNet(), f"{name}(rate=0.2)", example=example), "remembers too large a variance")
    assert note.startswith(
        f"{name}(rate=0.2) stands in front of batch norms of the model's own, block.bn1, block.bn2: "
    )
    assert not notes(put(ResNet(), f"{name}(rate=0.2, at='wide')", example=example), "variance")
    assert not notes(put(ResNet(), f"{name}(rate=0.2, at='block')", example=example), "variance")
    assert notes(put(ResNet(), f"{name}(rate=0.2, at='stem')", example=example), "bn1")


def test_noise_behind_the_last_batch_norm_or_in_front_of_another_norm_is_fine() -> None:
    model = nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 3)
    )
    assert not notes(put(model, "Dropout(rate=0.2)"), "variance")
    with_noise = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.1), nn.BatchNorm1d(8), nn.Linear(8, 3))
    assert notes(put(with_noise, "Dropout(rate=0.5, at='Dropout')"), "model's own, 2: A norm behind it")


@pytest.mark.parametrize("name", ["BatchNorm", "LayerNorm", "GroupNorm(groups='2')", "GhostBatchNorm", "RMSNorm"])
def test_a_second_norm_beside_each_of_the_models(name: str) -> None:
    (note,) = notes(put(ResNet(), name, example=IMAGES), "normalizes again")
    assert "beside norms of the model's own, bn, block.bn1, block.bn2: " in note
    assert not notes(
        put(ResNet(), name.replace(")", ", at='wide')") if "(" in name else f"{name}(at='wide')", example=IMAGES),
        "normalizes again",
    )
    assert not notes(put(perceptron(), name), "normalizes again")


def test_what_sets_the_size_of_a_weight_in_front_of_a_norm() -> None:
    assert notes(put(ResNet(), "WeightNorm"), "divides the gain out again")
    assert notes(put(ResNet(), "SpectralNorm"), "The norm scales up what was limited")
    assert not notes(put(ResNet(), "WeightStandardization"), "norms of the model's own")
    assert not notes(put(perceptron(), "WeightNorm + SpectralNorm"), "of the model's own")


def test_a_block_that_is_taken_away_whole_is_measured_or_doubted() -> None:
    recipe = "StochasticDepth(rate=0.2, at='block')"
    (note,) = notes(put(ResNet(), recipe, example=IMAGES), "takes whole examples away")
    assert "with the output of block at zero, the model gives out the same for all of them" in note
    assert not notes(put(ResNet(around=True), recipe, example=IMAGES), "whole examples")
    for model in (ResNet(), ResNet(around=True)):
        assert notes(put(model, recipe), "right for a branch that is added")
    residual = nn.Sequential(nn.Linear(6, 6), Residual(nn.Sequential(nn.Linear(6, 6), nn.ReLU())), nn.Linear(6, 3))
    assert not notes(put(residual, "StochasticDepth(rate=0.2)"), "whole examples")


class Adapted(nn.Module):
    """A frozen layer and the product of two small ones, as peft or loralib have them."""

    def __init__(self, *, of_layers: bool) -> None:
        super().__init__()
        self.base = nn.Linear(8, 10).requires_grad_(False)
        if of_layers:
            self.down, self.up = nn.ModuleDict({"default": nn.Linear(8, 2, bias=False)}), nn.Linear(2, 10, bias=False)
        else:
            self.a, self.b = nn.Parameter(torch.randn(2, 8)), nn.Parameter(torch.zeros(10, 2))

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "up"):
            return self.base(x) + self.up(self.down["default"](x))
        return self.base(x) + x @ self.a.T @ self.b.T


@pytest.mark.parametrize("of_layers", [True, False])
def test_branches_of_lora(of_layers: bool) -> None:
    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), Adapted(of_layers=of_layers), nn.ReLU(), nn.Linear(10, 3))

    small = "2.down.default.weight, 2.up.weight" if of_layers else "2.a, 2.b"
    for recipe in ("Dropout(rate=0.1)", "LayerNorm"):
        (note,) = notes(put(model(), recipe), "and not on their sum")
        assert "2.base" in note and ("2.up" in note) is of_layers
    if of_layers:
        (note,) = notes(put(model(), "WeightStandardization"), "and not on their sum")
        assert "2.down.default, 2.up; say where it is to act: on=" in note
    for recipe in ("WeightDecay(strength=0.1)", "L2(strength=0.1)"):
        (note,) = notes(put(model(), recipe), "branches of LoRA")
        assert f"branches of LoRA, {small}: it pulls to the frozen network, not to zero" in note
    assert not notes(put(model(), "WeightDecay(strength=0.1, on='0.*') + Dropout(rate=0.1, at='input')"), "LoRA")
    assert not notes(put(perceptron(), "Dropout + WeightDecay(strength=0.1)"), "LoRA")


def test_models_without_company_have_no_notes() -> None:
    model = perceptron()
    assert attach(model, adam(model), "Dropout + BatchNorm(at='0')").notes == [
        "Dropout and BatchNorm: A norm behind it remembers too large a variance; put it behind the last."
    ]
