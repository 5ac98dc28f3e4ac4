"""Outputs that never change, and outputs that do not change yet."""

import torch
from probing import probed
from torch import nn

RULE = "dead-output"
X, Y = torch.randn(16, 6, generator=torch.Generator().manual_seed(3)), torch.arange(16) % 4


class Masked(nn.Module):
    """Two of its outputs are switched off."""

    def __init__(self):
        super().__init__()
        self.output = nn.Linear(6, 6)

    def forward(self, x):
        return self.output(x).index_fill(1, torch.tensor([4, 5]), torch.finfo(x.dtype).min)


def network(*ending: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4), *ending)


def test_one_class_that_a_relu_has_killed_is_named():
    model = network(nn.ReLU())
    with torch.no_grad():
        model.get_parameter("2.bias").copy_(torch.tensor([5.0, -50.0, 5.0, 5.0]))
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (X, Y))
    assert (finding.numbers["dead"], finding.numbers["outputs"]) == (1, 4)
    assert "(1: 0)" in finding.message


def test_units_that_are_all_off_leave_nothing_but_biases():
    model = network()
    nn.init.constant_(model.get_parameter("0.bias"), -100.0)
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (X, Y))
    assert finding.numbers["dead"] == 4
    (finding,) = probed(RULE, model, nn.MSELoss(), (X, torch.randn(16, 4)))
    assert finding.numbers["dead"] == 4


def test_a_last_layer_that_starts_at_zero_can_learn():
    model = network()
    nn.init.zeros_(model.get_parameter("2.weight"))
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []
    assert probed(RULE, model.requires_grad_(False), nn.CrossEntropyLoss(), (X, Y)) == []


def test_outputs_that_are_masked_are_switched_off_on_purpose():
    assert probed(RULE, Masked(), nn.CrossEntropyLoss(), (X, Y)) == []


def test_amounts_that_a_relu_keeps_from_falling_below_zero_may_be_zero():
    model = network(nn.ReLU())
    with torch.no_grad():
        model.get_parameter("2.bias").copy_(torch.tensor([5.0, -50.0, 5.0, 5.0]))
    assert probed(RULE, model, nn.MSELoss(), (X, torch.rand(16, 4))) == []


def test_classes_of_every_pixel_are_outputs_too():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    with torch.no_grad():
        model.get_parameter("0.bias").copy_(torch.tensor([5.0, -50.0, 5.0, 5.0]))
    images, y = torch.randn(2, 3, 5, 5), torch.ones(2, 5, 5, dtype=torch.long)
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (images, y))
    assert finding.numbers["dead"] == 1
