"""Networks as plain descriptions: their text, names and modules."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from bridle.networks import ACTIVATIONS, MLP, Residual, convnet, linear, mlp, parse, residual_mlp
from bridle.vanilla.layers import ACTIVATIONS as BY_HAND

NETWORKS = [
    linear(),
    mlp(),
    mlp(1),
    mlp(128, 64),
    mlp(3, activation="tanh"),
    mlp(4, 4, 4, activation="sigmoid"),
    mlp(5, activation="selu"),
]
DESCRIBED = [
    residual_mlp(5, 1),
    residual_mlp(6, depth=3, activation="selu"),
    convnet(4),
    convnet(2, 3, 4, activation="tanh"),
]


@pytest.mark.parametrize("network", [*NETWORKS, *DESCRIBED], ids=str)
def test_text_reads_back(network):
    assert parse(str(network)) == network
    assert parse(f"  {network} ") == network


def test_text_is_what_one_would_write():
    assert str(mlp(128, 64)) == "mlp(128, 64)"
    assert str(mlp(8, activation="relu")) == "mlp(8)"
    assert str(mlp(8, activation="tanh")) == "mlp(8, activation='tanh')"
    assert str(mlp()) == str(linear()) == "linear()"
    assert str(residual_mlp(64, 3)) == "residual_mlp(64, 3)"
    assert str(convnet(16, 32, activation="selu")) == "convnet(16, 32, activation='selu')"


def test_sizes_may_be_named():
    assert parse("residual_mlp(depth=3, width=64)") == residual_mlp(64, 3)


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
    first, output = module.get_submodule("linear1"), module.get_submodule("output")
    assert isinstance(first, nn.Linear) and isinstance(output, nn.Linear)
    hidden = torch.tanh(x @ first.weight.T + first.bias)
    assert torch.allclose(module(x), hidden @ output.weight.T + output.bias)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_by_hand_is_that_of_torch_its_slope_too(name):
    by_hand = BY_HAND[name]("linear1")
    h = torch.cat([torch.linspace(-6, 6, 49), torch.tensor([-800.0, -1e-9, 1e-9, 800.0])]).double().requires_grad_()
    a = ACTIVATIONS[name]()(h)
    assert_allclose(by_hand.function(h.detach().numpy()), a.detach(), rtol=1e-12, atol=1e-15)
    slope = torch.autograd.grad(a.sum(), h)[0]
    assert_allclose(by_hand.slope(a.detach().numpy()), slope, rtol=1e-12, atol=1e-15)


def test_selu_keeps_mean_and_deviation_from_layer_to_layer():
    random = np.random.default_rng(0)
    h = random.normal(0.3, 1.2, size=(500, 400))
    for _ in range(10):
        h = BY_HAND["selu"]("linear1").function(h @ random.normal(0, 400**-0.5, size=(400, 400)))
    assert abs(h.mean()) < 0.1 and abs(h.std() - 1) < 0.1


def running_order(module, rows):
    """The weighted layers and activations in the order in which they run, by name."""
    order = []
    kinds: tuple[type[nn.Module], ...] = (nn.Linear, nn.Conv2d, *ACTIVATIONS.values())
    for name, each in module.named_modules():
        if isinstance(each, kinds):
            each.register_forward_hook(lambda *_, name=name: order.append(name))
    module(rows)
    return order


def test_a_residual_network_is_a_stem_and_blocks_with_an_activation_before_every_layer_but_the_first():
    order = running_order(residual_mlp(4, 2).build((3,), 2), torch.zeros(5, 3))
    block = "block{0}.branch.relu1 block{0}.branch.linear1 block{0}.branch.relu2 block{0}.branch.linear2"
    assert " ".join(order) == f"stem {block.format(1)} {block.format(2)} relu output"


def test_a_residual_branch_is_added_to_its_input():
    branch, x = nn.Linear(3, 3), torch.randn(2, 3)
    assert torch.equal(Residual(branch)(x), x + branch(x))


def test_a_residual_network_whose_branches_are_silent_is_its_stem_and_output():
    module = residual_mlp(4, 3, activation="tanh").build((2, 3), 2)
    for block in (1, 2, 3):
        nn.init.zeros_(module.get_parameter(f"block{block}.branch.linear2.weight"))
        nn.init.zeros_(module.get_parameter(f"block{block}.branch.linear2.bias"))
    x = torch.randn(5, 2, 3)
    stem, output = module.get_submodule("stem"), module.get_submodule("output")
    assert torch.equal(module(x), output(torch.tanh(stem(x.flatten(1)))))


def test_a_convolutional_network_halves_the_image_behind_each_activation():
    module = convnet(4, 5).build((3, 9, 12), 2)
    assert [name for name, _ in module.named_children()] == [
        *("conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "flatten", "output")
    ]
    assert module.get_parameter("conv1.weight").shape == (4, 3, 3, 3)
    assert module.get_parameter("output.weight").shape == (2, 5 * 2 * 3)
    assert module(torch.zeros(7, 3, 9, 12)).shape == (7, 2)


def test_an_image_without_an_axis_of_channels_has_one_channel():
    flat, deep = convnet(3, activation="selu").build((6, 8), 2), convnet(3, activation="selu").build((1, 6, 8), 2)
    deep.load_state_dict(flat.state_dict())
    x = torch.randn(4, 6, 8)
    assert torch.equal(flat(x), deep(x[:, None]))


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 30), (3, 2, 2), (4, 5)])
def test_pooling_ends_where_there_is_nothing_left_to_pool(shape):
    assert convnet(2, 2, 2, 2).build(shape, 3)(torch.zeros(5, *shape)).shape == (5, 3)


@pytest.mark.parametrize("shape", [(784,), (), (2, 3, 4, 5)])
def test_rows_that_are_no_images_are_refused_with_the_way_out(shape):
    with pytest.raises(ValueError, match=r"convnet takes images, .*give the images their shape, or take mlp"):
        convnet(3).build(shape, 2)


@pytest.mark.parametrize("network", DESCRIBED, ids=str)
def test_a_factory_makes_the_same_network_under_the_same_seed_and_another_each_time(network):
    factory = network.factory((6, 8), 3)
    modules = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        modules.append(factory())
    first, again, other = (module.state_dict() for module in modules)
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not any(torch.equal(value, other[name]) for name, value in first.items())
    assert modules[0].output.weight is not modules[1].output.weight


@pytest.mark.parametrize("network", DESCRIBED, ids=str)
def test_copies_of_a_described_network_run_as_one_program(network):
    torch.manual_seed(0)
    modules = [network.build((6, 8), 3).double() for _ in range(3)]
    parameters, _ = torch.func.stack_module_state(modules)
    x = torch.randn(4, 6, 8, dtype=torch.float64)
    together = torch.func.vmap(lambda each: torch.func.functional_call(modules[0], each, (x,)))(parameters)
    for module, z in zip(modules, together, strict=True):
        assert_allclose(z.detach(), module(x).detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "8", None])
def test_a_size_that_is_none_is_refused(size):
    for make in (lambda: residual_mlp(size, 1), lambda: residual_mlp(1, size)):
        with pytest.raises(ValueError, match="residual_mlp: width and depth must be whole numbers of at least 1, got "):
            make()
    with pytest.raises(ValueError, match="convnet: channels must be whole numbers of at least 1, got "):
        convnet(4, size)


def test_a_convolutional_network_without_convolutions_is_refused():
    with pytest.raises(ValueError, match=r"convnet: say the channels .* as in convnet\(16, 32\)"):
        convnet()


@pytest.mark.parametrize("width", [0, -1, 1.5, 2.0, True, "8", None, [8]])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(ValueError, match="mlp: widths must be whole numbers of at least 1, got "):
        mlp(4, width)


@pytest.mark.parametrize("activation", ["ReLU", "gelu", "", None, 1, ["relu"]])
def test_an_unknown_activation_gets_the_choices(activation):
    for make in (mlp, convnet, lambda width, activation: residual_mlp(width, 1, activation=activation)):
        with pytest.raises(ValueError, match=r"\w: activation must be one of relu, tanh, sigmoid, selu, got "):
            make(4, activation=activation)


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
    "residual_mlp(8)",
    "residual_mlp(8, 2, 'tanh')",
    "residual_mlp(8, 2, width=8)",
    "convnet(3, kernel=5)",
    "resnet(3)",
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
    with pytest.raises(ValueError, match="say the channels"):
        parse("convnet()")
