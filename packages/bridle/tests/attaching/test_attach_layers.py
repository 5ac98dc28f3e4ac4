"""What a recipe puts into the user's model: seen by all that sees modules, acting where it should, gone afterwards."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from loops import CRITERION, adam, attached, data, perceptron, train, weight_of, weights
from torch import Tensor, nn

from bridle.attaching import attach
from bridle.networks import Residual
from bridle.places.module import LayerModule

LAYERS = "Dropout(rate=0.5, at='all') + BatchNorm + WeightNorm + SpectralNorm(on='4.weight') + ActivityL1"


class Backwards(nn.Module):
    """Lists its layers in another order than that in which they run; the first two share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(6, 3)
        self.drop = nn.Dropout(0.25)
        self.second, self.first = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.drop(torch.relu(self.second(torch.relu(self.first(x))))))


class Sequences(nn.Module):
    """(batch, length, features), as in transformers: units are on the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(6, 10), nn.Linear(10, 3)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, None, :].expand(-1, 4, -1)
        x = x + self.attention(x, x, x)[0]
        return self.down(torch.relu(self.up(x))).mean(1)


def put(model: nn.Module, recipe: str, **keywords: Any) -> Any:
    return attach(model, adam(model), recipe, loss=CRITERION, **keywords)


def test_layers_act_while_training_and_rest_in_evaluation() -> None:
    handle = attached("Dropout(rate=0.5)")
    x, _ = data()
    model = handle.model
    assert not torch.equal(model(x), model(x))
    assert torch.equal(model.eval()(x), perceptron()(x))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        seen = model.train()(x)
        torch.manual_seed(5)
        h = F.dropout(F.relu(model.get_submodule("0")(x)), 0.5)
        h = F.dropout(F.relu(F.linear(h, model.get_parameter("2.weight"), model.get_parameter("2.bias"))), 0.5)
        torch.testing.assert_close(seen, F.linear(h, model.get_parameter("4.weight"), model.get_parameter("4.bias")))


@pytest.mark.parametrize("name", ["BatchNorm", "LayerNorm", "RMSNorm", "GroupNorm(groups='2')"])
def test_torchs_own_layers_stand_in_for_the_formulas_where_they_are_the_same(name: str) -> None:
    own = getattr(nn, {"BatchNorm": "BatchNorm1d"}.get(name, name.partition("(")[0]))
    x, _ = data(torch.float64)
    known, unknown = put(perceptron().double(), name, example=x), put(perceptron().double(), name)
    assert type(known.model[0].recipe_norm1) is own and isinstance(unknown.model[0].recipe_norm1, LayerModule)
    assert train(known, 6) == pytest.approx(train(unknown, 6), rel=1e-9)
    torch.testing.assert_close(known.model.eval()(x), unknown.model.eval()(x), rtol=1e-6, atol=1e-9)
    before = known.model[0].recipe_norm1
    assert str(known) == str(unknown)
    known.detach(discard=True)
    assert before not in [*known.model.modules()]


@pytest.mark.parametrize(
    ("recipe", "keywords"),
    [("Dropout(rate=linear(0.0, 0.5))", {}), ("Dropout", {"seed": 3}), ("SpatialDropout", {}), ("GaussianDropout", {})],
)
def test_elsewhere_the_formulas_themselves_stand(recipe: str, keywords: dict[str, Any]) -> None:
    assert any(isinstance(part, LayerModule) for part in attached(recipe, **keywords).model.modules())


def test_rates_by_layer_are_those_of_torchs_own_dropout() -> None:
    model = attached("Dropout(rate={'1': 0.1, '*': 0.3})").model
    assert [part.p for part in model.modules() if isinstance(part, nn.Dropout)] == [0.1, 0.3]


def test_what_is_put_in_moves_is_saved_and_is_copied_with_the_model() -> None:
    handle = attached("BatchNorm + Dropout(rate=linear(0.0, 0.5))")
    model = handle.model.double()
    assert weight_of(model, "0.recipe_norm1").dtype == torch.float64
    train(handle, 3)
    assert {name for name in model.state_dict() if "recipe" in name} == {
        f"{place}.{kind}"
        for place in ("0.recipe_norm1", "2.recipe_norm2")
        for kind in ("weight", "bias", "running_mean", "running_var")
    }
    copied = copy.deepcopy(model)
    before = weights(model)
    torch.manual_seed(0)
    first = model(data(torch.float64)[0])
    torch.manual_seed(0)
    assert torch.equal(copied(data(torch.float64)[0]), first)
    optimizer = torch.optim.SGD(copied.parameters(), lr=0.1)
    copied(data(torch.float64)[0]).sum().backward()
    optimizer.step()
    assert torch.equal(weights(model), before)
    assert not torch.equal(weights(copied), before)


@pytest.mark.parametrize("seed", [None, 3])
def test_a_copy_draws_and_notes_for_itself(seed: int | None) -> None:
    alone, copied = (attached("Dropout(rate=0.3) + ActivityL1 + RDrop", seed=seed) for _ in range(2))
    x, _ = data()
    losses = []
    for handle in (alone, copied):
        torch.manual_seed(0)
        losses.append(train(handle, 1))
        if handle is copied:
            twin = copy.deepcopy(copied.model)
            with torch.random.fork_rng():
                twin(x).sum().backward()
        losses[-1] += train(handle, 2, first=1)
    assert losses[0] == losses[1]


@pytest.mark.parametrize("seed", [None, 3])
def test_a_model_with_layers_can_be_pickled(seed: int | None) -> None:
    handle = attached("Dropout(rate=0.3) + BatchNorm + ActivityL1", seed=seed)
    train(handle, 2)
    again = pickle.loads(pickle.dumps(handle.model))
    x, _ = data()
    assert torch.equal(again.eval()(x), handle.model.eval()(x))
    assert not torch.equal(again.train()(x), again.eval()(x))


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW])
def test_detached_the_model_is_what_it_was_but_for_what_it_has_learned(optimizer: Any) -> None:
    model = perceptron()
    own = optimizer(model.parameters())
    groups = [{name: value for name, value in group.items() if name != "params"} for group in own.param_groups]
    handle = attach(model, own, f"{LAYERS} + WeightDecay(strength=0.1) + EMA", loss=CRITERION)
    train(handle, 3)
    trained = {name: each.clone() for name, each in perceptron().state_dict().items()}
    for name in trained:
        stored = handle.model.get_parameter(name.replace("weight", "parametrizations.weight.original"))
        trained[name] = stored.detach().clone()
    handle.detach(discard=True)
    assert repr(model) == repr(perceptron())
    assert type(model[0]) is nn.Linear
    assert model.state_dict().keys() == trained.keys()
    assert all(torch.equal(each, trained[name]) for name, each in model.state_dict().items())
    assert [*map(id, own.param_groups[0]["params"])] == [*map(id, model.parameters())]
    assert [{k: v for k, v in group.items() if k != "params"} for group in own.param_groups] == groups
    assert set(own.state) == {*model.parameters()}
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert not own._optimizer_step_pre_hooks and not own._optimizer_step_post_hooks
    x, y = data()
    CRITERION(model(x), y).backward()
    own.step()


def test_the_example_tells_the_order_in_which_layers_run() -> None:
    x, _ = data()
    model = Backwards()
    model.drop.eval()
    handle = put(model, "BatchNorm + Dropout(rate=0.1)", example=x)
    assert hasattr(model.first, "recipe_norm1") and hasattr(model.second, "recipe_dropout1")
    assert not hasattr(model.last, "recipe_norm1")
    assert model.training and not model.drop.training
    assert not any("order" in note for note in handle.notes)
    handle = put(Backwards(), "BatchNorm")
    assert any("order in which the model lists them: last, second, first" in note for note in handle.notes)


@pytest.mark.parametrize("example", [(torch.ones(2, 6),), {"x": torch.ones(2, 6)}, torch.ones(2, 6)])
def test_the_example_may_be_a_call_of_any_form(example: Any) -> None:
    model = Backwards()
    put(model, "BatchNorm", example=example)
    assert hasattr(model.first, "recipe_norm1")


def test_layers_on_sequences_take_the_last_axis_for_the_units() -> None:
    model = Sequences()
    handle = put(model, "LayerNorm + BatchNorm + Dropout(rate=0.1)", example=data()[0])
    assert weight_of(model, "up.recipe_norm1").shape == (10,) and type(model.down.recipe_dropout1) is nn.Dropout
    seen: list[Tensor] = []
    model.up.register_forward_hook(lambda part, inputs, output: seen.append(output.detach()))
    train(handle, 1)
    with torch.no_grad():
        model(data()[0])
    assert seen[-1].shape[-1] == 10
    torch.testing.assert_close(seen[0].mean((0, 1)), torch.zeros(10), atol=1e-5, rtol=0)


def test_parts_whose_forward_is_never_called_are_no_layers() -> None:
    model = Sequences()
    put(model, "Dropout(rate=0.5)")
    assert hasattr(model.down, "recipe_dropout1") and not hasattr(model.attention.out_proj, "recipe_dropout1")


def test_a_layer_behind_a_sequential_runs_once_and_is_none_of_its_steps() -> None:
    branch, output = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6)), nn.Linear(6, 3)
    model = nn.Sequential(OrderedDict(block=Residual(branch), output=output))
    x, _ = data()
    handle = put(model, "StochasticDepth(rate=0.5, at='residual')", example=x)
    assert len(branch) == 3
    torch.manual_seed(0)
    out = model(x)
    torch.manual_seed(0)
    stays = (torch.rand(len(x), 1, 1, 1) >= 0.5).flatten(1) * 2.0
    torch.testing.assert_close(out, output(x + stays * branch[2](F.relu(branch[0](x)))))
    handle.detach()
    assert not list(branch[0].children())


def test_a_dropout_of_the_models_own_is_retuned_in_place() -> None:
    model = Backwards()
    handle = put(model, "Dropout(rate=0.6, at='Dropout')", example=data()[0])
    assert model.drop.p == 0.6 and not list(model.drop.children())
    assert "in place of the rate 0.25 of drop" in str(handle)
    handle.detach()
    assert model.drop.p == 0.25


def test_a_dropout_of_the_models_own_takes_part_in_a_schedule() -> None:
    model = Backwards()
    handle = put(model, "Dropout(rate=linear(0.0, 0.8), at='drop')", example=data()[0], steps=4)
    rates = []
    for _ in range(3):
        rates.append(float(model.get_buffer("drop.recipe_dropout3.knob_rate")))
        train(handle, 1)
    assert rates == pytest.approx([0.0, 0.2, 0.4])
    handle.detach()
    assert model.drop.p == 0.25 and not list(model.drop.children())


def test_dropout_beside_the_models_own_is_noted() -> None:
    assert any("dropout layers of its own, drop" in note for note in put(Backwards(), "Dropout(rate=0.1)").notes)


def test_a_layer_that_acts_nowhere_is_noted() -> None:
    model = nn.Sequential(nn.Linear(6, 3))
    assert put(model, "Dropout(rate=0.1)").notes == ["Dropout(rate=0.1) acts nowhere: the model has no hidden layers"]


def test_a_norm_behind_a_part_that_nobody_has_seen_run_asks_for_an_example() -> None:
    class Owned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.tail = nn.Sequential(nn.Linear(6, 8), nn.ReLU()), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.tail(self.body(x))

    with pytest.raises(ValueError, match="example=a batch"):
        put(Owned(), "BatchNorm(at='body')")
    model = Owned()
    put(model, "BatchNorm(at='body')", example=data()[0])
    assert weight_of(model, "body.0.recipe_norm3").shape == (8,)


def test_a_shared_weight_is_one_parameter_and_acts_everywhere() -> None:
    model = Backwards()
    handle = put(model, "WeightStandardization + L2(strength=0.1) + WeightDecay(strength=0.1)", example=data()[0])
    assert str(handle).splitlines()[1] == "L2(strength=0.1): on last.weight, second.weight"
    assert torch.equal(model.first.weight, model.second.weight)
    stored, last = (model.get_parameter(f"{name}.parametrizations.weight.original") for name in ("first", "last"))
    assert not torch.equal(model.first.weight, stored)
    expected = 0.1 * (stored.square().sum() + last.square().sum())
    torch.testing.assert_close(handle.penalty_value(), expected.detach())
    train(handle, 2)
    handle.detach(discard=True)
    assert model.first.weight is model.second.weight


def test_what_the_user_has_parametrized_is_left_to_the_user() -> None:
    model = perceptron()
    nn.utils.parametrizations.weight_norm(model[0])
    with pytest.raises(ValueError, match="is parametrized already"):
        put(model, "SpectralNorm(on='0.*')")
    put(model, "SpectralNorm(on='2.*')")


def test_transposed_convolutions_have_their_outputs_on_the_second_axis() -> None:
    model = nn.Sequential(nn.ConvTranspose2d(2, 5, 3), nn.Flatten(), nn.Linear(125, 3))
    handle = put(model, "MaxNorm(limit=0.1) + WeightNorm(on='0.weight')")
    assert model.get_parameter("0.parametrizations.weight.0.gain").shape == (5, 1, 1)
    model(torch.randn(4, 2, 3, 3)).sum().backward()
    handle.optimizer.step()
    stored = model.get_parameter("0.parametrizations.weight.original")
    assert torch.linalg.vector_norm(stored, dim=(0, 2, 3)).max() <= 0.1 + 1e-6
    assert torch.linalg.vector_norm(stored, dim=(1, 2, 3)).max() > 0.1


def test_weights_in_channels_last_are_changed_in_place() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(36, 3))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch declares it for four axes alone
    handle = put(model, "MaxNorm(limit=0.01) + GradientCentralization + GroupLasso")
    model(torch.randn(4, 3, 5, 5)).sum().backward()
    handle.optimizer.step()
    weight = weight_of(model, "0")
    assert weight.flatten(1).norm(dim=1).max() <= 0.01 + 1e-6
    assert weight.is_contiguous(memory_format=torch.channels_last)
