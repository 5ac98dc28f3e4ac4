"""A user's own module: stacked by torch.func, the recipe's layers hung into it, or trained one by one with a notice."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bridle import engine, seeded_draws
from bridle.data import Data
from bridle.engine.user_modules import build_module
from bridle.networks import mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe

EXACT = Protocol(batch_size=64, epochs=2, precision="float64")
RECIPES = [
    "none",
    "L2(strength=0.01)",
    "WeightDecay(strength=0.3)",
    "Dropout(rate=0.3)",
    "BatchNorm",
    "L2(strength=0.001) + Dropout(rate=0.1, at='all') + BatchNorm(momentum=0.5) + WeightDecay",
    "Dropout(rate=0.1, at='all') + Dropout(rate=0.4) + BatchNorm",
]


class Perceptron(nn.Module):
    """The built-in mlp(16, 8), as a user would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(64, 16), nn.Linear(16, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.second(torch.relu(self.first(x)))))


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x.view(-1, 1, 8, 8)).flatten(1))


class WithLayersOfItsOwn(Perceptron):
    """They are called as the built-in network calls the layers that a recipe adds."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.dropout1 = nn.BatchNorm1d(16), nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.second(self.dropout1(torch.relu(self.norm1(self.first(x)))))))


class DrawsItself(Perceptron):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 0.1 * torch.randn_like(x) if self.training else x)


def like_the_built_in() -> Perceptron:
    """The same initial weights as mlp(16, 8) under seed 3."""
    module = Perceptron().double()
    for number, layer in enumerate((module.first, module.second, module.last)):
        weight, bias = seeded_draws.linear_weights(3, number, layer.in_features, layer.out_features)
        layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    return module


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_module_trains_exactly_like_the_built_in_network(digits: Data, recipe: str) -> None:
    variant = Variant(Recipe.parse(recipe), 3)
    theirs = engine.step_losses(digits, variant, mlp(16, 8), EXACT, 30)
    ours = engine.step_losses(digits, variant, like_the_built_in, EXACT, 30)
    assert ours == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("factory", [Perceptron, Convolutional, WithLayersOfItsOwn])
def test_alone_or_in_a_stack_is_the_same(digits: Data, factory: type[nn.Module]) -> None:
    members = [Variant(Recipe.parse(recipe), seed) for recipe in RECIPES for seed in (0, 1)]
    together = {(run.recipe, run.seed): run for run in engine.train_variants(digits, members, factory, EXACT)}
    assert len(together) == len(members)
    for recipe in RECIPES:
        alone = engine.train(digits, recipe, factory, EXACT, seed=1)
        run = together[alone.recipe, 1]
        assert run.scores["valid"] == pytest.approx(alone.scores["valid"], rel=1e-8)
        assert run.curves["step_loss"] == pytest.approx(alone.curves["step_loss"], rel=1e-8)


@pytest.mark.parametrize("factory", [Perceptron, Convolutional, WithLayersOfItsOwn])
def test_the_model_is_the_users_module_with_the_scores_of_the_run(digits: Data, factory: type[nn.Module]) -> None:
    run = engine.train(digits, RECIPES[-1], factory, Protocol(epochs=2), seed=1)
    assert isinstance(run.model, factory)
    with torch.no_grad():
        right = run.model(torch.from_numpy(digits.x_valid)).argmax(1).numpy() == digits.y_valid
    assert right.mean() == pytest.approx(run.scores["valid"]["accuracy"])
    assert all(layer.gammas for layer in run.layers[:-1])
    assert run.layers[-1].gammas is None


def test_its_own_dropout_and_batch_norm_act_as_torchs_do(digits: Data) -> None:
    run = engine.train(digits, None, WithLayersOfItsOwn, Protocol(lr=0.01, epochs=20), seed=0)
    assert run.scores["valid"]["accuracy"] > 0.85
    assert not torch.equal(run.model.norm1.running_mean, torch.zeros(16))
    assert int(run.model.norm1.num_batches_tracked) == 20 * (len(digits.x_train) // 64)


class PartlyFrozen(Perceptron):
    """Its first layer is frozen, its last two share a weight, and one parameter is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.first.requires_grad_(False)
        self.second, self.third = nn.Linear(16, 16), nn.Linear(16, 16)
        self.third.weight = self.second.weight
        self.last = nn.Linear(16, 10)
        self.idle = nn.Parameter(torch.ones(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.second(torch.relu(self.first(x))))
        return self.last(torch.relu(self.third(h)))


def test_frozen_tied_and_idle_parameters_are_what_they_are(digits: Data) -> None:
    runs = list(
        engine.train_variants(
            digits,
            [Variant(Recipe.parse(recipe), 1) for recipe in ("none", "WeightDecay(strength=0.3)")],
            PartlyFrozen,
            Protocol(epochs=2),
        )
    )
    plain, decayed, start = *(run.model for run in runs), build_module(PartlyFrozen, 1)
    assert isinstance(start, PartlyFrozen)
    for model in (plain, decayed):
        assert torch.equal(model.first.weight, start.first.weight)
        assert not torch.equal(model.second.weight, start.second.weight)
        assert model.second.weight is model.third.weight
    assert torch.equal(plain.idle, start.idle)
    assert (decayed.idle < start.idle).all()


def test_layers_of_the_recipe_and_of_the_module_do_not_get_in_each_others_way(digits: Data) -> None:
    run = engine.train(digits, RECIPES[-1], WithLayersOfItsOwn, Protocol(epochs=2), seed=1)
    parameters = dict(run.model.named_parameters())
    assert not torch.equal(parameters["norm1.weight"], parameters["first.recipe_norm1.weight"])
    assert run.layers[0].gammas == parameters["first.recipe_norm1.weight"].tolist()
    rates = [module.p for module in run.model.second.children() if isinstance(module, nn.Dropout)]
    assert rates == [0.1, 0.4]


def test_a_module_that_draws_random_numbers_is_trained_one_by_one_with_a_notice(digits: Data) -> None:
    members = [Variant(Recipe.parse(recipe), seed) for recipe in ("none", "Dropout") for seed in (0, 1)]
    before = torch.random.get_rng_state()
    with pytest.warns(UserWarning, match="one by one"):
        together = list(engine.train_variants(digits, members, DrawsItself, EXACT))
    assert torch.equal(before, torch.random.get_rng_state())
    with pytest.warns(UserWarning, match="one by one"):
        alone = engine.train(digits, "Dropout", DrawsItself, EXACT, seed=1)
    assert together[-1].scores == alone.scores


def test_the_callers_random_numbers_are_left_alone(digits: Data) -> None:
    before = torch.random.get_rng_state()
    engine.train(digits, None, Perceptron, Protocol(epochs=1))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (lambda: nn.Linear(3, 10), "cannot take a batch of shape"),
        (lambda: nn.Linear(64, 3), r"must map a batch to shape \(batch, 10\)"),
        (lambda: 3, "returns an nn.Module"),
        (3, "returns an nn.Module"),
    ],
)
def test_a_network_that_does_not_fit_gets_a_sentence(digits: Data, network: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        engine.train(digits, None, network, Protocol(epochs=1))  # type: ignore[arg-type]


class WithDropout(Perceptron):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(rate)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.second(self.drop(torch.relu(self.first(x))))))


@pytest.mark.parametrize("at", ["drop", "Dropout"])
def test_a_dropout_that_names_one_of_the_modules_own_replaces_it(digits: Data, at: str) -> None:
    recipe = Recipe.parse(f"Dropout(rate=0.4, at={at!r})")
    retuned, without = (
        engine.step_losses(digits, Variant(recipe, 0), lambda rate=rate: WithDropout(rate), EXACT, 5)  # type: ignore[misc]
        for rate in (0.1, 0.0)
    )
    assert retuned == pytest.approx(without, rel=1e-12)
    own = engine.step_losses(digits, Variant(Recipe(), 0), lambda: WithDropout(0.1), EXACT, 5)
    assert own[-1] != pytest.approx(retuned[-1], rel=1e-6)
    run = engine.train(digits, recipe, lambda: WithDropout(0.1), EXACT)
    assert isinstance(run.model.drop, nn.Dropout)
    assert run.model.drop.p == 0.4
