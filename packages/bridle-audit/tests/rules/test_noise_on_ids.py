"""noise-on-ids: what a dropout makes of ids, and which integers are none of its business."""

from __future__ import annotations

import pytest
import torch
from probing import read
from torch.nn import functional as F

RULE = "noise-on-ids"


def test_a_dropout_leaves_only_the_first_nine_of_a_thousand_ids():
    ids = torch.arange(1000)
    torch.manual_seed(0)
    dropped = F.dropout(ids.float(), 0.1).long()
    kept = dropped[dropped > 0]
    assert 100 in kept and 90 not in ids[dropped == ids]
    assert ids[(ids / 0.9).long() == ids].tolist() == list(range(9))


HEAD = """
import torch
from torch import nn
from torch.nn import functional as F
embedding = nn.Embedding(1000, 16)
output = nn.Linear(16, 2)
"""


@pytest.mark.parametrize(
    "line",
    [
        "ids = F.dropout(ids.float(), 0.1).long()\nh = embedding(ids)\n",
        "noise = 0.5 * torch.randn_like(ids.float())\nh = embedding((ids + noise).round().long())\n",
        "ids = (ids + torch.randn_like(ids.float())).to(torch.int64).clamp(min=0)\nh = embedding(ids)\n",
        "ids = (a * ids + (1 - a) * ids[other]).int()\nh = F.embedding(ids, table)\n",
    ],
)
def test_changed_ids_are_found(line):
    assert len(read(RULE, HEAD + line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "t = (torch.rand(32) * 1000).long()\nh = embedding(t)\n",  # drawn, not changed: time steps of a diffusion
        "pixels = (x + torch.randn_like(x)).long()\nh = output(pixels.float())\n",
        "h = F.dropout(embedding(ids), 0.1)\n",
        "ids = torch.where(torch.rand(ids.shape) < 0.1, mask, ids).long()\nh = embedding(ids)\n",
        "position = (start + torch.arange(8)).long()\nh = embedding(position)\n",
    ],
)
def test_ids_that_are_drawn_masked_or_counted_are_silent(line):
    assert read(RULE, HEAD + line) == []
