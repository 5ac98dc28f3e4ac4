"""Two conventions of one word."""

import math

import pytest
import torch
from probing import probed, read
from torch import nn

RULE = "batch-norm-momentum"


@pytest.mark.parametrize("momentum", [0.9, 0.99])
def test_such_a_share_of_what_is_remembered_is_from_the_last_batch(momentum):
    norm = nn.BatchNorm1d(4, momentum=momentum)
    norm(torch.zeros(8, 4))
    norm(torch.ones(8, 4))
    assert norm.get_buffer("running_mean")[0].item() == pytest.approx(momentum, abs=0.01)
    (finding,) = probed(RULE, nn.Sequential(nn.Linear(4, 4), norm))
    assert f"{momentum:.0%}" in finding.message
    assert finding.where == "1"


def test_half_of_what_is_remembered_is_from_the_last_batches():
    assert math.log(0.5) / math.log(1 - 0.1) == pytest.approx(6.6, abs=0.05)


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm1d(4),
        nn.BatchNorm1d(4, momentum=0.01),
        nn.BatchNorm1d(4, momentum=None),  # an average over all batches
        nn.BatchNorm1d(4, momentum=0.9, track_running_stats=False),
        nn.InstanceNorm1d(4, momentum=0.9),
    ],
)
def test_what_remembers_is_silent(norm):
    assert probed(RULE, nn.Sequential(norm)) == []


def test_it_reads_both_conventions():
    assert (
        len(read(RULE, "from torch import nn\nnn.BatchNorm2d(8, momentum=0.99)\nnn.BatchNorm1d(8, 1e-5, 0.9)\n")) == 2
    )
    assert read(RULE, "from torch import nn\nnn.BatchNorm2d(8, momentum=0.03)\nnn.BatchNorm2d(8)\n") == []
    (finding,) = read(RULE, "from tensorflow.keras import layers\nlayers.BatchNormalization(momentum=0.1)\n")
    assert "90%" in finding.message
    assert read(RULE, "from tensorflow.keras import layers\nlayers.BatchNormalization(momentum=0.9)\n") == []
