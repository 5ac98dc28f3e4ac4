"""The code of a recipe: plain PyTorch that takes the same steps as the engine, under the engine's random numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from catalog_recipes import ON_IMAGES, SCHEDULED, TOGETHER, recipe_of
from code_replay import ADAM, NETWORK, SEED, Replay, check_steps, functions
from sklearn.datasets import load_diabetes
from torch import Tensor

from bridle import CATALOG, Recipe, engine
from bridle.data import Data, load
from bridle.exporting import to_code
from bridle.networks import MLP, convnet, linear, mlp, residual_mlp
from bridle.protocol import Protocol, Variant


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="module")
def images(digits: Data) -> Data:
    arrays = [array for x, y in digits.splits().values() for array in (x.reshape(-1, 8, 8), y)]
    return Data(*arrays, name="images")


@pytest.fixture(scope="module")
def diabetes() -> Data:
    x, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    train, valid, test = np.split(order, [260, 350])
    x = x / x.std(0)
    return Data(x[train], y[train], x[valid], y[valid], x[test], y[test], task="regression", name="diabetes")


@pytest.mark.parametrize("name", CATALOG)
def test_the_code_of_every_regularizer_takes_the_engines_steps(
    monkeypatch: pytest.MonkeyPatch, digits: Data, images: Data, name: str
) -> None:
    check_steps(monkeypatch, images if name in ON_IMAGES else digits, recipe_of(name))


@pytest.mark.parametrize("recipe", [*TOGETHER, *SCHEDULED])
def test_the_code_of_a_whole_recipe_takes_the_engines_steps(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str
) -> None:
    check_steps(monkeypatch, digits, recipe)


@pytest.mark.parametrize("protocol", [Protocol("sgd", schedule="constant"), Protocol("momentum"), Protocol("adamw")])
@pytest.mark.parametrize("recipe", ["none", TOGETHER[9], SCHEDULED[1], "WeightDecay(on='all') + GroupSoftThreshold"])
def test_the_code_has_the_protocols_optimizer_and_schedule(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str, protocol: Protocol
) -> None:
    check_steps(monkeypatch, digits, recipe, protocol=replace(protocol, epochs=2, precision="float64", batch_size=50))


@pytest.mark.parametrize(
    "recipe",
    [
        "none",
        "BatchNorm + Dropout + WeightNorm + ActivityL1 + L2",
        "SpatialDropout + LayerNorm + SpectralNorm + SAM",
        "DropBlock(rate=0.05, block=3) + GroupNorm + JacobianPenalty",
        "CutMix + StochasticDepth(at='pool1') + WeightStandardization + AdaptiveClip",
        "FGSM + ImageShift + GaussianDropout(at='all') + GhostBatchNorm + GradientCentralization",
        "Dropout(at='Conv2d') + RDrop + Orthogonality(on='Conv2d') + SWA(start=0.2)",
    ],
)
def test_the_code_of_a_convolutional_network_takes_the_engines_steps(
    monkeypatch: pytest.MonkeyPatch, images: Data, recipe: str
) -> None:
    check_steps(monkeypatch, images, recipe, convnet(4, 6))


@pytest.mark.parametrize(
    "recipe",
    [
        "StochasticDepth(rate=0.3) + BatchNorm + Dropout(at='all') + WeightNorm",
        "StochasticDepth(rate={'block1.branch': 0.1, '*': 0.4}) + LayerNorm + MaxNorm(on='block2.*') + SAM",
    ],
)
def test_the_code_of_a_residual_network_takes_the_engines_steps(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str
) -> None:
    check_steps(monkeypatch, digits, recipe, residual_mlp(12, 2))


@pytest.mark.parametrize(
    "recipe", ["none", "Mixup + FGSM + BatchNorm + L2 + JacobianPenalty + Dropout + SAM", "InputNoise + EMA"]
)
def test_the_code_of_a_regression_takes_the_engines_steps(
    monkeypatch: pytest.MonkeyPatch, diabetes: Data, recipe: str
) -> None:
    check_steps(monkeypatch, diabetes, recipe, protocol=replace(ADAM, batch_size=32))


@pytest.mark.parametrize("network", [linear(), mlp(12, activation="tanh"), mlp(12, 9, 6, activation="selu")])
def test_the_code_builds_any_perceptron(monkeypatch: pytest.MonkeyPatch, digits: Data, network: MLP) -> None:
    check_steps(monkeypatch, digits, "L2 + WeightDecay" if not network.hidden else "AlphaDropout + L2", network)


def test_the_comparison_would_notice_a_strength_that_is_one_part_in_a_million_off(
    monkeypatch: pytest.MonkeyPatch, digits: Data
) -> None:
    replay = Replay(digits, "L2(strength=0.01)", NETWORK, ADAM)
    replay.run(monkeypatch)
    almost = Variant(Recipe.parse("L2(strength=0.01000001)"), SEED)
    expected = engine.step_losses(digits, almost, NETWORK, ADAM, len(replay.losses))
    assert replay.losses != pytest.approx(expected, rel=1e-9)


def noise_of_passes(monkeypatch: pytest.MonkeyPatch, data: Data, recipe: str) -> list[list[list[Tensor]]]:
    """Return what a script's GaussianDropout draws from torch's generator: by step, two passes with two layers each."""
    code = to_code(f"{recipe} + GaussianDropout", NETWORK, replace(ADAM, epochs=1))
    train = functions(monkeypatch, code)["train"]
    drawn: list[Tensor] = []
    draw = torch.randn_like

    def noted(like: Tensor) -> Tensor:
        found = draw(like)
        if like.shape[1] in NETWORK.hidden:
            drawn.append(found)
        return found

    x, y = torch.from_numpy(data.x_train).float(), torch.from_numpy(data.y_train)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randn_like", noted)
        train(x, y, x, y)
    assert len(drawn) == 4 * (len(x) // 64)
    return [[drawn[start : start + 2], drawn[start + 2 : start + 4]] for start in range(0, len(drawn), 4)]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(map(torch.equal, one, other))


@pytest.mark.parametrize("recipe", ["SAM", "SAM + Mixup", "JacobianPenalty", "FGSM", "FGSM + Mixup", "HardBootstrap"])
def test_all_passes_of_a_step_see_the_same_noise_and_the_next_step_another(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str
) -> None:
    steps = noise_of_passes(monkeypatch, digits, recipe)
    assert all(same(first, second) for first, second in steps)
    assert not any(same(one[0], other[0]) for one, other in pairwise(steps))


def test_the_second_pass_of_r_drop_sees_other_noise(monkeypatch: pytest.MonkeyPatch, digits: Data) -> None:
    assert not any(same(first, second) for first, second in noise_of_passes(monkeypatch, digits, "RDrop"))


@pytest.mark.parametrize("recipe", ["SAM + BatchNorm", "RDrop + Dropout + BatchNorm", "HardBootstrap + BatchNorm"])
def test_no_pass_but_the_first_moves_running_statistics(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str
) -> None:
    train = functions(monkeypatch, to_code(recipe, NETWORK, replace(ADAM, epochs=1)))["train"]
    x, y = torch.from_numpy(digits.x_train).float(), torch.from_numpy(digits.y_train)
    assert train(x, y, x, y).norm1.num_batches_tracked == len(x) // 64


def test_the_networks_parameters_are_called_as_bridles_own(monkeypatch: pytest.MonkeyPatch, digits: Data) -> None:
    recipe = "BatchNorm + Dropout(rate=0.2)"
    model = functions(monkeypatch, to_code(recipe, NETWORK))["build"](64, 10).double()
    trained = engine.train(digits, recipe, NETWORK, replace(ADAM, epochs=1)).model
    model.load_state_dict(trained.state_dict())
    x = torch.from_numpy(digits.x_valid).double()
    assert torch.equal(model.eval()(x), trained(x))
