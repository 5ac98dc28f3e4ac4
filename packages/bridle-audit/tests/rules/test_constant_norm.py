"""Norms of a single number."""

import pytest
import torch
from probing import probed
from torch import nn

RULE = "constant-norm"
X = torch.randn(8, 6, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("norm", "values"),
    [(nn.LayerNorm(1), 1), (nn.RMSNorm(1), 2), (nn.GroupNorm(1, 1), 1)],
    ids=["layer", "rms", "group"],
)
def test_one_number_leaves_the_bias_or_its_sign(norm, values):
    torch.manual_seed(0)
    (finding,) = probed(RULE, nn.Sequential(nn.Linear(6, 1), norm), None, (100 * X, None))
    assert finding.numbers["values"] == values


def test_nothing_in_front_of_it_has_a_gradient():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.GroupNorm(4, 4))
    model(X).square().sum().backward()
    gradient = model.get_parameter("0.weight").grad
    assert gradient is not None and gradient.abs().max() < 1e-6  # what rounding leaves
    (finding,) = probed(RULE, model, None, (X, None))
    assert finding.where == "1"


def test_scales_that_start_at_zero_are_not_meant():
    norm = nn.BatchNorm1d(4)
    nn.init.zeros_(norm.weight)
    assert probed(RULE, nn.Sequential(nn.Linear(6, 4), norm), None, (X, None)) == []


def test_more_numbers_are_silent():
    assert probed(RULE, nn.Sequential(nn.Linear(6, 4), nn.GroupNorm(2, 4), nn.LayerNorm(4)), None, (X, None)) == []
    images = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(4, 4))
    assert probed(RULE, images, None, (torch.randn(2, 3, 6, 6), None)) == []
