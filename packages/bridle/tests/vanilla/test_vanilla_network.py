"""The network's outputs and hand-written gradients, against central differences and against torch."""

import numpy as np
import pytest
import torch
from torch import nn

from bridle import BatchNorm, Dropout, Recipe
from bridle.networks import linear, mlp
from bridle.seeded_draws import Noise, linear_weights
from bridle.sites import LayerAtSite, hidden_site
from bridle.vanilla.layers import LayerPart, VanillaContext
from bridle.vanilla.network import build
from bridle.vanilla.noise import StepNoise
from bridle.vanilla.step import cross_entropy, squared_error

ROWS, INPUTS, OUTPUTS = 12, 4, 3
NETWORKS = [linear(), mlp(6, 5), mlp(6, 5, activation="tanh"), mlp(6, 5, activation="sigmoid")]
NETWORKS.append(mlp(6, 5, activation="selu"))
RECIPES = ["none", "BatchNorm", "Dropout(0.3, at='all')", "BatchNorm(eps=0.1) + Dropout(0.3)"]


def way(seed=1):
    """The first step of a run."""
    return VanillaContext(StepNoise(seed))


@pytest.fixture
def random():
    return np.random.default_rng(0)


def loss_and_gradients(network, recipe, weights, x, y):
    """The loss at these weights, with the noise of the first step, and the gradients by hand."""
    built = build(network, Recipe.parse(recipe), 1, INPUTS, OUTPUTS)
    for name, w in built.parameters.items():
        w[...] = weights[name]
    z, backward = built.train(x, way())
    loss, g = cross_entropy(z, np.eye(OUTPUTS)[y])
    return loss, backward(g)[1]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_gradients_by_hand_are_the_slopes_of_the_loss(network, recipe, random):
    x, y = random.normal(size=(ROWS, INPUTS)), random.integers(0, OUTPUTS, ROWS)
    parameters = build(network, Recipe.parse(recipe), 1, INPUTS, OUTPUTS).parameters
    weights = {name: random.normal(size=w.shape) for name, w in parameters.items()}
    _, gradients = loss_and_gradients(network, recipe, weights, x, y)
    assert list(gradients) == list(reversed_by_part(weights))
    for name, w in weights.items():
        for place in np.ndindex(w.shape):
            losses = []
            for step in (1e-6, -1e-6):
                moved = w.copy()
                moved[place] += step
                losses.append(loss_and_gradients(network, recipe, {**weights, name: moved}, x, y)[0])
            assert gradients[name][place] == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-5, abs=1e-8), name


def reversed_by_part(weights):
    """The names as the way back meets them: last part first, weight before bias."""
    parts = dict.fromkeys(name.split(".")[0] for name in weights)
    return [f"{part}.{kind}" for part in reversed(parts) for kind in ("weight", "bias")]


def test_cross_entropy_is_that_of_torch(random):
    z, y = random.normal(size=(ROWS, OUTPUTS)) * 10, random.integers(0, OUTPUTS, ROWS)
    tensor = torch.tensor(z, requires_grad=True)
    expected = nn.functional.cross_entropy(tensor, torch.tensor(y))
    expected.backward()
    loss, g = cross_entropy(z, np.eye(OUTPUTS)[y])
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert tensor.grad is not None
    np.testing.assert_allclose(g, tensor.grad, atol=1e-15)


def test_cross_entropy_of_probabilities_is_that_of_torch(random):
    z, y = random.normal(size=(ROWS, OUTPUTS)), random.dirichlet(np.ones(OUTPUTS), ROWS)
    tensor = torch.tensor(z, requires_grad=True)
    expected = nn.functional.cross_entropy(tensor, torch.tensor(y))
    expected.backward()
    loss, g = cross_entropy(z, y)
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert tensor.grad is not None
    np.testing.assert_allclose(g, tensor.grad, atol=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
def test_squared_error_is_that_of_torch(weighted, random):
    z, y = random.normal(size=(ROWS, 1)), random.normal(size=(ROWS, 1))
    w = random.uniform(size=(ROWS, 1)) if weighted else np.ones((ROWS, 1))
    tensor = torch.tensor(z, requires_grad=True)
    expected = (torch.tensor(w) * (tensor - torch.tensor(y)).square()).mean()
    expected.backward()
    loss, g = squared_error(z, y, w) if weighted else squared_error(z, y)
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert tensor.grad is not None
    np.testing.assert_allclose(g, tensor.grad, rtol=1e-12)


def test_cross_entropy_counts_each_row_with_its_weight(random):
    z, y = random.normal(size=(ROWS, OUTPUTS)), random.dirichlet(np.ones(OUTPUTS), ROWS)
    w = random.uniform(size=ROWS)
    tensor = torch.tensor(z, requires_grad=True)
    expected = (torch.tensor(w) * nn.functional.cross_entropy(tensor, torch.tensor(y), reduction="none")).mean()
    expected.backward()
    loss, g = cross_entropy(z, y, w[:, None])
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert tensor.grad is not None
    np.testing.assert_allclose(g, tensor.grad, atol=1e-15)


def test_cross_entropy_of_huge_logits_is_finite():
    loss, g = cross_entropy(np.array([[1e4, -1e4]]), np.array([[0.0, 1.0]]))
    assert (loss, g.tolist()) == (2e4, [[1.0, -1.0]])


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_a_network_computes_what_the_torch_module_of_the_same_weights_does(network, random):
    ours = build(network, Recipe(), 1, INPUTS, OUTPUTS)
    theirs = network.build(INPUTS, OUTPUTS).double()
    theirs.load_state_dict({name: torch.tensor(w) for name, w in ours.parameters.items()})
    x, g = random.normal(size=(ROWS, INPUTS)), random.normal(size=(ROWS, OUTPUTS))
    tensor = torch.tensor(x, requires_grad=True)

    z, backward = ours.train(x, way())
    g_x, gradients = backward(g)
    expected = theirs(tensor)
    expected.backward(torch.tensor(g))

    np.testing.assert_allclose(z, expected.detach(), rtol=1e-12)
    assert tensor.grad is not None
    np.testing.assert_allclose(g_x, tensor.grad, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(ours.predict(x), z)
    for name, parameter in theirs.named_parameters():
        np.testing.assert_allclose(gradients[name], parameter.grad, rtol=1e-11, atol=1e-14, err_msg=name)


def test_batch_norm_is_that_of_torch_in_training_evaluation_and_running_statistics(random):
    ours = LayerPart(LayerAtSite(BatchNorm(momentum=0.2), hidden_site(1, "linear1", "Linear"), "norm1", 16), 5)
    theirs = nn.BatchNorm1d(5, momentum=0.2).double()
    for name, parameter in theirs.named_parameters():
        parameter.data = torch.tensor(random.normal(size=5))
        ours.parameters[f"norm1.{name}"][...] = parameter.data.numpy()
    for _ in range(3):
        h = random.normal(2.0, 3.0, (ROWS, 5))
        np.testing.assert_allclose(ours.train(h, way())[0], theirs(torch.tensor(h)).detach(), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(ours.state["norm1.running_mean"], theirs.get_buffer("running_mean"), rtol=1e-12)
    np.testing.assert_allclose(ours.state["norm1.running_var"], theirs.get_buffer("running_var"), rtol=1e-12)
    theirs.eval()
    np.testing.assert_allclose(ours.evaluate(h), theirs(torch.tensor(h)).detach(), rtol=1e-11, atol=1e-12)


def test_parameters_have_the_names_and_the_initial_values_of_the_contract():
    built = build(mlp(6), Recipe.parse("BatchNorm + Dropout"), 7, INPUTS, OUTPUTS)
    names = ["linear1.weight", "linear1.bias", "norm1.weight", "norm1.bias", "output.weight", "output.bias"]
    assert list(built.parameters) == names
    weight, bias = linear_weights(7, 1, 6, OUTPUTS)
    assert (built.parameters["output.weight"] == weight).all()
    assert (built.parameters["output.bias"] == bias).all()
    assert built.parameters["norm1.weight"].tolist() == [1.0] * 6


def test_two_dropouts_at_one_site_act_in_the_recipes_order_each_with_its_own_noise(random):
    x = random.normal(size=(ROWS, INPUTS))
    built = build(linear(), Dropout(0.2, at="input") + Dropout(0.5, at="all"), 7, INPUTS, OUTPUTS)
    noise = Noise(7)
    first = np.where(noise.uniform(0, ROWS, INPUTS) >= 0.2, x / 0.8, 0)
    second = np.where(noise.uniform(1, ROWS, INPUTS) >= 0.5, first / 0.5, 0)
    expected = second @ built.parameters["output.weight"].T + built.parameters["output.bias"]
    np.testing.assert_allclose(built.train(x, way(7))[0], expected, rtol=1e-12)


@pytest.mark.parametrize(("at", "stream_ids"), [("input", [0]), ("hidden", [16, 32]), ("all", [0, 16, 32])])
def test_dropout_acts_at_its_sites_and_never_on_the_outputs(at, stream_ids):
    built = build(mlp(6, 5), Recipe((Dropout(0.2, at=at),)), 7, INPUTS, OUTPUTS)
    assert [part.stream_id for part in built.parts if isinstance(part, LayerPart)] == stream_ids


def test_evaluation_draws_no_noise_and_moves_no_state(random):
    built = build(mlp(6), Recipe.parse("BatchNorm + Dropout"), 7, INPUTS, OUTPUTS)
    x = random.normal(size=(ROWS, INPUTS))
    built.train(x, way())
    before = built.predict(x)
    assert (built.predict(x) == before).all()
    built.train(x, way())
    assert (built.predict(x) != before).any()


def test_prediction_takes_images_and_any_number_of_rows(random):
    built = build(mlp(6), Recipe(), 7, INPUTS, OUTPUTS)
    x = random.normal(size=(5000, 2, 2))
    assert built.predict(x).shape == (5000, OUTPUTS)
    np.testing.assert_allclose(built.predict(x)[4999:], built.predict(x[4999:]), rtol=1e-12)
