"""``tied-penalized-twice``: shared weights that a penalty counts for each layer, and once."""

import pytest
from probing import probed
from torch import nn

RULE = "tied-penalized-twice"


def tied():
    """Three linear layers, the first and last of which share a weight."""
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    model[4].weight = model[0].weight
    return model


PENALTIES = {
    "squares": lambda layer: layer.weight.square().sum(),
    "absolutes": lambda layer: layer.weight.abs().sum(),
    "norms": lambda layer: layer.weight.norm(),
}


@pytest.mark.parametrize("kind", PENALTIES)
def test_a_sum_over_layers_counts_the_shared_weight_twice(kind):
    size = PENALTIES[kind]
    penalty = lambda m: sum(size(each) for each in m.modules() if isinstance(each, nn.Linear))  # noqa: E731
    (found,) = probed(RULE, tied(), penalty=penalty)
    assert found.where == "0.weight, 4.weight"
    assert found.numbers == {"uses": 2, "gradients": pytest.approx(2.0)}


@pytest.mark.parametrize(
    "penalty",
    [
        lambda m: sum(p.square().sum() for p in m.parameters()),
        lambda m: sum(p.abs().sum() for name, p in m.named_parameters() if "weight" in name),
        lambda m: m[0].weight.square().sum() + m[2].weight.square().sum(),
        lambda m: m[2].weight.square().sum(),
        lambda m: m[0].weight.square().sum().item(),
    ],
)
def test_a_penalty_that_names_each_weight_once_is_fine(penalty):
    assert probed(RULE, tied(), penalty=penalty) == []


def test_a_model_without_shared_weights_is_fine():
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    assert probed(RULE, model, penalty=lambda m: sum(each.weight.square().sum() for each in m)) == []
