"""Norms of norms, and gains that a norm takes out."""

import warnings

import pytest
import torch
from probing import probed
from torch import nn

RULE = "norm-after-norm"
X, Y = torch.randn(8, 6, generator=torch.Generator().manual_seed(3)), torch.arange(8) % 3


def old_weight_norm(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather see the new one
        return nn.utils.weight_norm(layer)


@pytest.mark.parametrize(
    ("weight_norm", "gain"),
    [(nn.utils.parametrizations.weight_norm, "0.parametrizations.weight.original0"), (old_weight_norm, "0.weight_g")],
)
def test_the_gain_of_weight_norm_has_no_gradient_in_front_of_a_norm(weight_norm, gain):
    torch.manual_seed(0)
    model = nn.Sequential(weight_norm(nn.Linear(6, 8)), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (X, Y))
    assert finding.where == gain
    assert finding.numbers["share of the gradient"] < 1e-5


def test_without_a_norm_behind_it_the_gain_matters():
    torch.manual_seed(0)
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 8)), nn.ReLU(), nn.Linear(8, 3))
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []


def test_an_activation_between_two_norms_is_enough():
    model = nn.Sequential(nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 3))
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []


def test_norms_of_ones_own_are_known_by_what_they_do():
    class Unit(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(8))

        def forward(self, x):
            return self.weight * x / x.square().mean(-1, keepdim=True).sqrt()

    model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), Unit(), nn.Linear(8, 3))
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (X, Y))
    assert finding.where == "2"
