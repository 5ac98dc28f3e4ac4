"""average-too-long: how many steps a program takes, and decays that fit them."""

from __future__ import annotations

import pytest
from probing import line_of, probed, read
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

RULE = "average-too-long"
MODEL = nn.Linear(2, 2)


def found_with(decay: float, steps: int | None) -> list[str]:
    averaged = AveragedModel(MODEL, multi_avg_fn=get_ema_multi_avg_fn(decay))
    return [each.message for each in probed(RULE, MODEL, averaged=averaged, steps=steps)]


def test_decays_that_fit_and_trainings_of_unknown_length_are_silent():
    assert found_with(0.999, 5000) == found_with(0.9999, 100_000) == found_with(0.9999, None) == []
    assert "61%" in found_with(0.9999, 5000)[0]


def test_a_plain_mean_of_few_weights_is_silent():
    assert probed(RULE, MODEL, averaged=AveragedModel(MODEL), steps=5) == []


def test_the_cure_forgets_within_the_training():
    averaged = AveragedModel(MODEL, multi_avg_fn=get_ema_multi_avg_fn(0.9999))
    (found,) = probed(RULE, MODEL, averaged=averaged, steps=1000)
    assert "get_ema_multi_avg_fn(0.99)" in found.cure
    assert found_with(0.99, 1000) == []


HEAD = """
import torch, torchvision
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset
model = nn.Linear(20, 2)
ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9999))
"""
COUNTED = """
step = 0
while step < 2000:
    for x, y in loader:
        ema.update_parameters(model)
        step += 1
"""
LOADED = """
loader = DataLoader({data}, batch_size=128)
for epoch in range(10):
    for x, y in loader:
        ema.update_parameters(model)
"""


@pytest.mark.parametrize(
    ("loop", "steps"),
    [
        ("for step in range(300):\n    ema.update_parameters(model)\n", 300),
        (COUNTED, 2000),
        (LOADED.format(data='torchvision.datasets.CIFAR10("data", train=True)'), 3910),
        (LOADED.format(data="TensorDataset(torch.randn(1000, 20), torch.zeros(1000))"), 80),
        (
            "def main():\n    for epoch in range(5):\n        one(7)\nmain()\n"
            "def one(n):\n    for i in range(10):\n        ema.update_parameters(model)\n",
            50,
        ),
    ],
)
def test_steps_that_a_program_counts_are_read(loop, steps):
    (found,) = read(RULE, HEAD + loop)
    assert found.numbers["steps"] == steps


@pytest.mark.parametrize(
    "loop",
    [
        "for x, y in loader:\n    ema.update_parameters(model)\n",
        "for step in range(args.steps):\n    ema.update_parameters(model)\n",
        LOADED.format(data='torchvision.datasets.CIFAR10("data")').replace("range(10)", "range(300)"),
        "def one():\n    for i in range(10):\n        ema.update_parameters(model)\nfor epoch in epochs:\n    one()\n",
        "def step():\n    ema.update_parameters(model)\n",
        COUNTED.replace("2000", "limit"),
    ],
)
def test_steps_that_are_not_known_or_enough_are_silent(loop):
    assert read(RULE, HEAD + loop) == []


BY_HAND = """
import torch
class EMA:
    def __init__(self, model, decay):
        self.model, self.shadow = model, dict()
        self.decay = decay
    def update(self):
        for n, p in self.model.named_parameters():
            self.shadow[n] = self.decay * self.shadow[n] + (1.0 - self.decay) * p.data
ema = EMA(model, decay={decay})
for step in range(500):
    ema.update()
"""


def test_an_average_by_hand_is_read():
    (found,) = read(RULE, BY_HAND.format(decay=0.9999))
    assert found.numbers["steps"] == 500 and line_of(found) == 10
    assert read(RULE, BY_HAND.format(decay=0.98)) == []
