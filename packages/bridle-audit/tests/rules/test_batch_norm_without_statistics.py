"""Batch norms that the other rows speak into."""

import pytest
import torch
from probing import probed, read
from torch import nn

RULE = "batch-norm-without-statistics"
X = torch.randn(8, 6, generator=torch.Generator().manual_seed(3))


def test_it_says_how_far_the_other_rows_move_the_outputs():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.ReLU()).eval()
    (finding,) = probed(RULE, model, None, (X, None))
    whole, half = model(X)[:4], model(X[:4])
    assert finding.numbers["difference"] == pytest.approx(((whole - half).norm() / whole.norm()).item(), rel=1e-4)


def test_a_layer_is_named_without_a_batch_too():
    (finding,) = probed(RULE, nn.Sequential(nn.BatchNorm1d(8, track_running_stats=False), nn.BatchNorm1d(8)))
    assert finding.where == "0"
    assert "1 of 2" in finding.message


def test_other_norms_have_no_statistics_to_keep():
    model = nn.Sequential(nn.InstanceNorm1d(8), nn.GroupNorm(2, 8), nn.LayerNorm(8), nn.BatchNorm1d(8))
    assert probed(RULE, model) == []


def test_it_reads_the_switch():
    assert read(RULE, "from torch import nn\nnn.BatchNorm2d(8, track_running_stats=False)\n")
    assert read(RULE, "from torch import nn\nnn.BatchNorm2d(8, track_running_stats=True)\nnn.BatchNorm2d(8)\n") == []
