"""Odd modules are trained as plain torch trains them; what cannot be trained gets a sentence."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from odd_modules import ALL, ONE_BY_ONE, Layers, MovesABuffer, ReplacesABuffer, Resting, TakesAnItem, UsedTwice
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bridle import engine, seeded_draws
from bridle.data import Data
from bridle.engine.user_modules import build_module
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe
from bridle.results import Run

EXACT = Protocol("momentum", batch_size=16, epochs=2, precision="float64")
LAYERS = Recipe.parse("Dropout(rate=0.1) + BatchNorm + SWA(start=0.5) + SAM")


@pytest.fixture(scope="module")
def blobs() -> Data:
    random_numbers = np.random.default_rng(0)
    x = random_numbers.normal(size=(96, 6)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    return Data(x[:64], y[:64], x[64:80], y[64:80], x[80:], y[80:])


def plain_losses(data: Data, factory: Callable[[], nn.Module], seed: int) -> list[float]:
    """The first losses of the same training as a loop in plain torch."""
    module = build_module(factory, seed, torch.from_numpy(data.x_train[:1])).double()
    optimizer = torch.optim.SGD([each for each in module.parameters() if each.requires_grad], momentum=0.9)
    x, y = torch.from_numpy(data.x_train).double(), torch.from_numpy(data.y_train)
    found = []
    for epoch, order in zip(range(2), seeded_draws.batch_orders(seed, 64, 16), strict=False):
        for step, rows in enumerate(order.reshape(4, 16)):
            optimizer.param_groups[0]["lr"] = EXACT.learning_rate(4 * epoch + step, 8)
            loss = F.cross_entropy(module(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    return found


@pytest.mark.parametrize("name", ALL)
def test_an_odd_module_takes_the_steps_of_a_plain_loop(blobs: Data, name: str) -> None:
    expected = plain_losses(blobs, ALL[name], seed=1)
    assert engine.step_losses(blobs, Variant(Recipe(), 1), ALL[name], EXACT, 8) == pytest.approx(expected, rel=1e-9)


def trained(data: Data, factory: Callable[[], nn.Module], members: list[Variant]) -> tuple[list[Any], bool]:
    """The runs, and whether there was a notice that they are trained one by one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runs = list(engine.train_variants(data, members, factory, EXACT))
    return runs, any("trained one by one" in str(each.message) for each in caught)


def valid_loss(run: Run, data: Data) -> float:
    """Of the model that the run hands over."""
    assert run.model is not None
    with torch.no_grad():
        z = run.model(torch.from_numpy(data.x_valid).double())
    return F.cross_entropy(z, torch.from_numpy(data.y_valid)).item()


@pytest.mark.parametrize("recipe", [Recipe(), LAYERS], ids=["none", "layers"])
@pytest.mark.parametrize("name", ALL)
def test_an_odd_module_is_stacked_or_trained_one_by_one_with_a_notice_and_scores_what_the_run_says(
    blobs: Data, name: str, recipe: Recipe
) -> None:
    before = [array.copy() for pair in blobs.splits().values() for array in pair]
    runs, noticed = trained(blobs, ALL[name], [Variant(recipe, seed) for seed in (0, 1)])
    assert noticed == (name in ONE_BY_ONE)
    for run in runs:
        assert run.scores["valid"]["log_loss"] == pytest.approx(valid_loss(run, blobs), rel=1e-9)
        assert all(layer.weight_norm > 0 for layer in run.layers)
    alone, _ = trained(blobs, ALL[name], [Variant(recipe, 1)])
    assert runs[1].scores["test"] == pytest.approx(alone[0].scores["test"], rel=1e-8)
    after = [array for pair in blobs.splits().values() for array in pair]
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True)), "the user's arrays were written to"


def test_buffers_that_a_module_replaces_move(blobs: Data) -> None:
    moved, replaced = (engine.train(blobs, None, each, EXACT).model for each in (MovesABuffer, ReplacesABuffer))
    assert int(moved.count) == int(replaced.count) == 8
    torch.testing.assert_close(moved.mean, replaced.mean)
    assert moved.mean.abs().sum() > 0


def test_parts_that_are_made_in_evaluation_mode_keep_their_statistics(blobs: Data) -> None:
    for recipe in ("none", "SWA(start=0.5)"):
        model = engine.train(blobs, recipe, Resting, EXACT).model
        assert torch.equal(model.norm.running_mean, torch.zeros(8, dtype=torch.float64))
        assert int(model.norm.num_batches_tracked) == 0


class DrawsWithTorch(Layers):
    def noise(self) -> Any:
        return torch.randn(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.a(x + 0.1 * self.noise() if self.training else x)))


class DrawsWithNumpy(DrawsWithTorch):
    def noise(self) -> Any:
        return float(np.random.normal())


class DrawsWithPython(DrawsWithTorch):
    def noise(self) -> Any:
        return random.gauss(0, 1)


class DrawsWithItsOwn(DrawsWithTorch):
    def __init__(self) -> None:
        super().__init__()
        self.random = np.random.default_rng(0)

    def noise(self) -> Any:
        return float(self.random.normal())


@pytest.mark.parametrize("factory", [DrawsWithTorch, DrawsWithNumpy, DrawsWithPython, DrawsWithItsOwn])
def test_a_module_that_draws_gets_the_numbers_of_its_own_seed(blobs: Data, factory: type[nn.Module]) -> None:
    together, noticed = trained(blobs, factory, [Variant(Recipe(), seed) for seed in (0, 1)])
    (alone,), _ = trained(blobs, factory, [Variant(Recipe(), 1)])
    assert noticed
    assert together[1].scores == alone.scores
    assert together[0].curves["step_loss"] != together[1].curves["step_loss"]


def test_a_stack_of_several_that_cannot_be_stacked_is_refused(blobs: Data) -> None:
    with pytest.raises(ValueError, match=r"cannot stack this network \(.*\); make a stack of one variant for each"):
        engine.make_stack(blobs, [Variant(Recipe(), seed) for seed in (0, 1)], TakesAnItem, EXACT)


def test_what_a_factory_shares_with_the_user_is_left_as_it_was(blobs: Data) -> None:
    mine = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    run = engine.train(blobs, "Dropout", lambda: mine, EXACT)
    assert mine.training and run.model is not mine
    assert all(torch.equal(value, before[name]) for name, value in mine.state_dict().items())


class ReadsItsWeight(Layers):
    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.a(x))) + self.c.weight.sum() * 0 + self.a.weight.mean()


@pytest.mark.parametrize("recipe", ["BatchNorm + Dropout(rate=0.1)", "LayerNorm"])
def test_layers_around_a_layer_whose_weight_the_module_reads(blobs: Data, recipe: str) -> None:
    run = engine.train(blobs, recipe, ReadsItsWeight, EXACT)
    assert run.scores["valid"]["log_loss"] == pytest.approx(valid_loss(run, blobs), rel=1e-9)


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.c = nn.Linear(2, 8), nn.Linear(8, 2)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.block(self.a(x.view(-1, 3, 2))).mean(1))


def test_a_transformer_keeps_the_recipes_layers_in_its_fast_path(blobs: Data) -> None:
    run = engine.train(blobs, "BatchNorm", Transformer, EXACT)
    assert run.scores["valid"]["log_loss"] == pytest.approx(valid_loss(run, blobs), rel=1e-6)


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w, self.c = nn.Parameter(torch.randn(6, 8, dtype=torch.cfloat)), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.c((x.to(torch.cfloat) @ self.w).abs())


class Frozen(UsedTwice):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)


class Several(UsedTwice):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x), x


class SeveralInTraining(UsedTwice):
    def forward(self, x: Tensor) -> Any:
        z = super().forward(x)
        return {"logits": z} if self.training else z


class Detached(UsedTwice):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach()


class Misspelt(UsedTwice):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(x)  # type: ignore[operator]  # there is none


class Again(Layers):
    reentrant = False

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.a(x))
        return self.c(checkpoint(lambda rows: torch.relu(rows @ self.b.weight), h, use_reentrant=self.reentrant))


class AgainReentrant(Again):
    reentrant = True


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (Complex, "parameter w is complex, which the engine does not train"),
        (Frozen, r"nothing to train: all its parameters are frozen \(requires_grad=False\)"),
        (nn.Identity, "nothing to train: it has no parameters"),
        (Several, r"must map a batch to shape \(batch, 2\); for a batch of 1 it gave tuple"),
        (SeveralInTraining, r"a training step on a batch of shape \(8, 6\): .* for a batch of 8 it gave dict"),
        (Detached, "no gradient leads from its outputs to its parameters"),
        (Misspelt, r"cannot take a batch of shape \(1, 6\): AttributeError: .* no attribute 'head'"),
        (Again, "switch its activation checkpointing off"),
        (AgainReentrant, "switch its activation checkpointing off"),
    ],
)
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_what_cannot_be_trained_gets_a_sentence(blobs: Data, factory: type[nn.Module], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        engine.train(blobs, None, factory, EXACT)


class BareParameters(nn.Module):
    """No layer with a weight: the input is known as a site of the network as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.act = nn.Parameter(torch.randn(6, 2) / 3), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x @ self.w)


@pytest.mark.parametrize("recipe", ["none", "L2(strength=0.1)", "BatchNorm(at='input')", "Dropout(rate=0.3, at='all')"])
def test_a_network_that_is_one_layer_is_trained_as_that_layer_in_a_sequence(blobs: Data, recipe: str) -> None:
    alone = engine.train(blobs, recipe, lambda: nn.Linear(6, 2), EXACT)
    within = engine.train(blobs, recipe, lambda: nn.Sequential(nn.Linear(6, 2)), EXACT)
    assert alone.scores == within.scores
    assert [each.name for each in alone.layers] == ["network"]
    assert alone.model is not None
    predicted = alone.model(torch.from_numpy(blobs.x_test).double())
    assert F.cross_entropy(predicted, torch.from_numpy(blobs.y_test)).item() == pytest.approx(
        alone.scores["test"]["log_loss"]
    )


def test_a_network_of_bare_parameters_has_a_recipe_at_its_input_and_its_parts(blobs: Data) -> None:
    plain, at_input, at_part = (
        engine.train(blobs, recipe, BareParameters, EXACT).scores["test"]["log_loss"]
        for recipe in ("none", "Dropout(rate=0.5, at='input')", "Dropout(rate=0.5, at='act')")
    )
    assert len({plain, at_input, at_part}) == 3


def test_a_network_without_values_is_refused_in_a_sentence(blobs: Data) -> None:
    with pytest.raises(ValueError, match=r"parameters on the meta device, which have no values; make it on the CPU"):
        engine.train(blobs, None, lambda: nn.Sequential(nn.Linear(6, 2, device="meta")), EXACT)
