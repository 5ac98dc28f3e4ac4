"""mixup-on-sorted-batch: how many rows meet another class, and which loaders surely do not shuffle."""

from __future__ import annotations

import pytest
import torch
from probing import read

RULE = "mixup-on-sorted-batch"


def test_in_sorted_batches_no_row_meets_another_class_and_in_shuffled_ones_nine_of_ten_do():
    labels = torch.arange(10).repeat_interleave(500)

    def share(order: torch.Tensor) -> float:
        batches = labels[order].view(-1, 50)
        return float((batches != batches.roll(1, 1)).double().mean())

    assert share(torch.arange(5000)) == 0
    assert share(torch.randperm(5000, generator=torch.Generator().manual_seed(0))) == pytest.approx(0.9, abs=0.02)


HEAD = """
import torch
import torchvision
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2
data = torchvision.datasets.CIFAR10("data")
"""
LOOP = """
mix = v2.RandomChoice([v2.MixUp(num_classes=10), v2.CutMix(num_classes=10)])
for x, y in loader:
    x, y = mix(x, y)
"""
COLLATED = """
mix = v2.CutMix(num_classes=10)
def collate(rows):
    return mix(*torch.utils.data.default_collate(rows))
loader = DataLoader(data, 64, collate_fn=collate)
"""
BY_HAND = """
loader = DataLoader(data, 64)
for i, (x, y) in enumerate(loader):
    mixed = share * x + (1 - share) * x.flip(0)
"""


@pytest.mark.parametrize(
    "text",
    ["loader = DataLoader(data, 64)" + LOOP, "loader = DataLoader(own, 64, shuffle=False)" + LOOP, COLLATED, BY_HAND],
)
def test_loaders_that_do_not_shuffle_are_found(text):
    assert len(read(RULE, HEAD + text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "loader = DataLoader(data, 64, shuffle=True)" + LOOP,
        "loader = DataLoader(data, 64, sampler=sampler)" + LOOP,
        "loader = DataLoader(own, 64)" + LOOP,  # may be an IterableDataset, which shuffles on its own
        "loader = DataLoader(data, 64, shuffle=not args.ordered)" + LOOP,
        "loader = DataLoader(data, 64)\nfor x, y in loader:\n    model(x)\n" + LOOP.replace("in loader", "in other"),
        BY_HAND.replace("x.flip(0)", "x[torch.randperm(len(x))]"),
        BY_HAND.replace("x.flip(0)", "x.flip(3)"),
        BY_HAND.replace("share * x + (1 - share) * x.flip(0)", "torch.cat([x, x.flip(0)])"),
    ],
)
def test_what_is_shuffled_or_not_mixed_with_neighbours_is_silent(text):
    assert read(RULE, HEAD + text) == []
