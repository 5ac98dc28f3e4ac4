"""Networks as plain descriptions: their text, names and modules."""

from pathlib import Path

import pytest
import torch
from torch import nn

from bridle.networks import ACTIVATIONS, MLP, linear, mlp, parse

NETWORKS = [linear(), mlp(), mlp(1), mlp(128, 64), mlp(3, activation="tanh"), mlp(4, 4, 4, activation="sigmoid")]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_text_reads_back(network):
    assert parse(str(network)) == network
    assert parse(f"  {network} ") == network


def test_text_is_what_one_would_write():
    assert str(mlp(128, 64)) == "mlp(128, 64)"
    assert str(mlp(8, activation="relu")) == "mlp(8)"
    assert str(mlp(8, activation="tanh")) == "mlp(8, activation='tanh')"
    assert str(mlp()) == str(linear()) == "linear()"


def test_a_network_without_hidden_layers_is_linear():
    assert mlp() == linear() == MLP(())


def test_layers_are_named_in_order_and_parameters_after_them():
    network = mlp(6, 5)
    assert network.layer_names() == ("linear1", "linear2", "output")
    assert network.widths(4, 3) == (4, 6, 5, 3)
    names = [name for name, _ in network.build(4, 3).named_parameters()]
    assert names == [f"{layer}.{kind}" for layer in network.layer_names() for kind in ("weight", "bias")]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_the_module_has_the_widths_asked_for_and_no_activation_at_its_end(network):
    module = network.build(7, 3)
    layers = [each for each in module if isinstance(each, nn.Linear)]
    assert tuple([layers[0].in_features, *(each.out_features for each in layers)]) == network.widths(7, 3)
    assert isinstance(module[-1], nn.Linear)
    assert sum(isinstance(each, ACTIVATIONS[network.activation]) for each in module) == len(network.hidden)
    assert module(torch.zeros(2, 7)).shape == (2, 3)


def test_the_module_computes_what_its_description_says():
    module = mlp(3, activation="tanh").build(2, 1).double()
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hidden = torch.tanh(x @ module.linear1.weight.T + module.linear1.bias)
    assert torch.allclose(module(x), hidden @ module.output.weight.T + module.output.bias)


@pytest.mark.parametrize("width", [0, -1, 1.5, 2.0, True, "8", None, [8]])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(ValueError, match="mlp: widths must be whole numbers of at least 1, got "):
        mlp(4, width)


@pytest.mark.parametrize("activation", ["ReLU", "gelu", "", None, 1, ["relu"]])
def test_an_unknown_activation_gets_the_choices(activation):
    with pytest.raises(ValueError, match="mlp: activation must be one of relu, tanh, sigmoid, got "):
        mlp(4, activation=activation)


UNREADABLE = [
    "",
    "mlp",
    "mlp(8",
    "mlp[8]",
    "mlp(8) + mlp(8)",
    "mlp(x)",
    "mlp(*[8])",
    "mlp(**{'activation': 'relu'})",
    "mlp(8, width=3)",
    "mlp(8, activation='tanh', activation='relu')",
    "linear(3)",
    "linear(activation='tanh')",
    "convnet(3)",
    "torch.nn.Linear(3, 3)",
    "mlp(8).build(3, 3)",
    "mlp({[]})",
    "mlp\x00",
    "\ud800",
    "(" * 10_000,
    "mlp(" + "-" * 900 + "1)",
    "mlp(" + "+".join("1" * 3_000) + ")",
    "mlp(1" + "0" * 10_000 + ")",
    "mlp(__import__('os').system('touch executed'))",
    "mlp(8, activation=__import__('os').system('touch executed'))",
    "__import__('os').system('touch executed')",
    "(lambda: __import__('os').system('touch executed'))()",
]


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: f"{text[:40]!r}-{len(text)}")
def test_text_that_is_no_network_gets_a_sentence_and_executes_nothing(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"cannot read the network .*write it as 'mlp"):
        parse(text)
    assert list(Path.cwd().iterdir()) == []


def test_text_with_values_that_no_network_has_is_refused_like_the_call():
    with pytest.raises(ValueError, match="widths must be whole numbers"):
        parse("mlp(1.5)")
    with pytest.raises(ValueError, match="activation must be one of"):
        parse("mlp(8, activation=[])")
