"""average-without-buffers: averages of parameters alone, by torch, by Keras and by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from probing import probed, read
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

RULE = "average-without-buffers"


def steps(model: nn.Module, averaged: nn.Module | None = None) -> None:
    """Batches that move the statistics, weights that move in between."""
    for _ in range(3):
        model(torch.randn(32, 4) + 1)
        with torch.no_grad():
            for each in model.parameters():
                each.add_(0.1 * torch.randn_like(each))
        if isinstance(averaged, AveragedModel):
            averaged.update_parameters(model)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.parametrize(("use_buffers", "severities"), [(False, ["warning"]), (True, [])])
def test_torch_averages_buffers_only_when_told(use_buffers, severities):
    model = network()
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=use_buffers)
    steps(model, averaged)
    assert [each.severity for each in probed(RULE, model, averaged=averaged)] == severities


def test_statistics_of_a_new_layer_are_an_error():
    model = network()
    averaged = copy.deepcopy(model)
    steps(model)
    (found,) = probed(RULE, model, averaged=averaged)
    assert found.severity == "error" and "mean 0 and variance 1" in found.message


def test_a_plain_mean_is_another_rules_business():
    model = network()
    averaged = AveragedModel(model)
    steps(model, averaged)
    assert probed(RULE, model, averaged=averaged) == []


NETWORK = """
import copy
import torch
from torch import nn
model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.LazyLinear(2))
"""
SHADOW = """
for name, p in model.named_parameters():
    shadow[name] = 0.99 * shadow[name] + (1 - 0.99) * p.data
"""
ZIPPED = """
ema = copy.deepcopy(model){evaluated}
def update(ema, model, decay):
    for a, p in zip(ema.parameters(), model.parameters()):
        {line}
"""
LINES = (
    "a.mul_(decay).add_(p, alpha=1 - decay)",
    "a.lerp_(p, 1 - decay)",
    "a.data = decay * a.data + (1 - decay) * p.data",
)


def test_a_shadow_of_parameters_is_read():
    assert len(read(RULE, NETWORK + SHADOW)) == 1


@pytest.mark.parametrize("line", LINES)
def test_a_copy_in_evaluation_mode_is_read(line):
    assert len(read(RULE, NETWORK + ZIPPED.format(evaluated="", line=line) + "ema.eval()\n")) == 1


@pytest.mark.parametrize(
    "text",
    [
        NETWORK + ZIPPED.format(evaluated="", line=LINES[0]),  # a teacher in training mode has statistics of its own
        NETWORK
        + ZIPPED.format(evaluated=".eval()", line=LINES[0])
        + "    for a, b in zip(ema.buffers(), model.buffers()):\n        a.copy_(b)\n",
        NETWORK.replace("nn.BatchNorm2d(8)", "nn.GroupNorm(2, 8)") + SHADOW,
        NETWORK + SHADOW.replace("named_parameters", "state_dict().items"),
        NETWORK + "for p in model.parameters():\n    p.data = p.data - 0.1 * p.grad\n",
    ],
)
def test_buffers_that_are_cared_for_are_silent(text):
    assert read(RULE, text) == []


def test_keras_averages_trainable_variables_alone():
    text = "import keras\nmodel = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dense(2)])\n"
    assert len(read(RULE, text + "optimizer = keras.optimizers.Adam(use_ema=True)\n")) == 1
    assert read(RULE, text + "optimizer = keras.optimizers.Adam()\n") == []
    assert (
        read(RULE, text.replace("BatchNormalization", "LayerNormalization") + "keras.optimizers.Adam(use_ema=True)\n")
        == []
    )
