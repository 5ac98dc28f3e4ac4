"""``penalized-bias``: what a penalized bias does to a linear model, and which penalties leave biases alone."""

import pytest
import torch
from probing import probed, read
from torch import nn

CODE = """
import torch
model = torch.nn.Linear(4, 2)
def step(x):
    loss = f(model(x)) + 0.1 * {}
    loss.backward()
"""


def mean_prediction(penalty):
    """What a linear model of targets around 10 predicts on average, at the minimum."""
    torch.manual_seed(0)
    x = torch.randn(400, 5, dtype=torch.float64)
    x -= x.mean(0)
    y = 10 + x @ torch.randn(5, 1, dtype=torch.float64)
    y += 10 - y.mean()
    model = nn.Linear(5, 1).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    for _ in range(200):
        optimizer.zero_grad()
        ((model(x) - y).square().mean() + 0.1 * penalty(model)).backward()
        optimizer.step()
    return model(x).mean().item()


def test_a_penalized_bias_moves_all_predictions():
    assert mean_prediction(lambda m: m.weight.square().sum() + m.bias.square().sum()) == pytest.approx(9.09, abs=0.005)
    assert mean_prediction(lambda m: m.weight.square().sum()) == pytest.approx(10.0, abs=1e-6)


def network():
    """Linear layers with biases, and a norm."""
    return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 2))


def test_biases_and_norms_are_counted_even_where_they_are_zero():
    (found,) = probed(
        "penalized-bias", network(), penalty=lambda m: 1e-3 * sum(p.square().sum() for p in m.parameters())
    )
    assert (found.numbers["biases"], found.numbers["parameters of norms"]) == (2, 2)
    assert found.numbers["weight_decay"] == pytest.approx(2e-3)


@pytest.mark.parametrize(
    "penalty",
    [
        lambda m: sum(p.square().sum() for p in m.parameters() if p.ndim > 1),
        lambda m: sum(p.abs().sum() for name, p in m.named_parameters() if name.endswith("3.weight")),
        lambda m: m[1].weight.abs().sum(),  # slimming: the scales on purpose, and no weights
        lambda m: sum((p - p.detach()).square().sum() for p in m.parameters()),  # the distance to where it began
        lambda m: m[0].weight.square().sum().item(),
    ],
)
def test_penalties_of_weights_alone_or_of_scales_alone_are_fine(penalty):
    assert probed("penalized-bias", network(), penalty=penalty) == []


def test_a_single_row_of_weights_is_no_bias():
    assert probed("penalized-bias", nn.Linear(4, 1), penalty=lambda m: m.weight.square().sum()) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("sum(p.pow(2).sum() for p in model.parameters())", 1),
        ("sum(p.abs().sum() for p in model.parameters() if p.requires_grad)", 1),
        ("sum(p.pow(2).sum() for n, p in model.named_parameters() if 'bias' not in n)", 0),
        ("sum(p.pow(2).sum() for p in model.parameters() if len(p.shape) > 1)", 0),
        ("sum((p - q).pow(2).sum() for p, q in zip(model.parameters(), start))", 0),
        ("model.weight.pow(2).sum()", 0),
        ("sum(p.data.pow(2).sum() for p in model.parameters())", 0),
    ],
)
def test_the_text_has_to_say_that_all_parameters_are_meant(text, count):
    assert len(read("penalized-bias", CODE.format(text))) == count


def test_a_norm_that_is_only_printed_is_no_penalty():
    assert read("penalized-bias", "import torch\nprint(sum(p.norm() ** 2 for p in model.parameters()) ** 0.5)\n") == []
