"""``max-norm-wrong-axis``: what the wrong axis bounds, and norms that are taken for other reasons."""

import pytest
import torch
from probing import read

RULE = "max-norm-wrong-axis"


def test_units_of_a_wide_layer_have_twice_the_norm_that_was_meant():
    torch.manual_seed(0)
    wrong = torch.renorm(torch.randn(100, 400), 2, 1, 1.0)
    right = torch.renorm(torch.randn(100, 400), 2, 0, 1.0)
    assert wrong.norm(dim=0).max().item() == pytest.approx(1.0, abs=1e-4)
    assert wrong.norm(dim=1).mean().item() == pytest.approx(2.0, abs=0.05)
    assert right.norm(dim=1).max().item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    "lines",
    [
        "layer.weight.data = torch.renorm(layer.weight.data, p=2, dim=1, maxnorm=3)",
        "layer.weight.data.renorm_(2, 1, 3.0)",
        "norms = layer.weight.norm(2, dim=0, keepdim=True)\n    desired = torch.clamp(norms, 0, 3)\n"
        "    layer.weight.data = layer.weight * (desired / (1e-7 + norms))",
        "norm = layer.weight.norm(2, dim=0, keepdim=True).clamp(min=1.5)\n"
        "    layer.weight *= torch.clamp(norm, max=3) / norm",
        "norms = torch.norm(layer.weight, 2, 0, keepdim=True)\n    layer.weight.mul_(norms.clamp(max=3) / norms)",
    ],
)
def test_bounds_on_what_leaves_an_input_are_found(lines):
    (found,) = read(RULE, f"import torch\ndef constrain(layer):\n    {lines}\n")
    assert "what enters a unit" in found.message


@pytest.mark.parametrize(
    "lines",
    [
        "layer.weight.data.renorm_(2, 0, 3.0)",
        "norms = layer.weight.norm(2, dim=1, keepdim=True)\n    layer.weight.mul_(norms.clamp(max=3) / norms)",
        "importance = layer.weight.norm(2, dim=0)\n    print(importance)",
        "norms = layer.weight.norm(2, dim=0, keepdim=True)\n    loss = norms.sum()",
        "norms = decoder.weight.norm(2, dim=0, keepdim=True).clamp(min=1)\n    decoder.weight.div_(norms)",
        "norms = layer.weight.norm(2, dim=0, keepdim=True)\n    layer.weight.div_(norms)",
        "unit = table / table.norm(2, dim=0, keepdim=True)",
        "norms = layer.weight.t().norm(2, dim=0, keepdim=True)\n    layer.weight.mul_(1 / norms.t())",
    ],
)
def test_bounds_on_units_and_norms_for_other_reasons_are_not(lines):
    assert read(RULE, f"import torch\ndef constrain(layer):\n    {lines}\n") == []


def test_a_weight_of_ones_own_may_have_its_units_in_columns():
    text = """
import torch
class Graph(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(400, 100))
    def constrain(self):
        self.weight.data.renorm_(2, 1, 3.0)
"""
    assert read(RULE, text) == []


def test_a_file_with_transposed_convolutions_is_left_alone():
    text = "from torch import nn\nup = nn.ConvTranspose2d(4, 8, 3)\nup.weight.data.renorm_(2, 1, 3.0)\n"
    assert read(RULE, text) == []
