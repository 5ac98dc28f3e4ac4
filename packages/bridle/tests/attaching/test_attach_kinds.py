"""Parameters that are no plain matrices: norms' and members' numbers, and what parametrizations make weights of."""

from __future__ import annotations

import pytest
import torch
from loops import CRITERION, adam, data, weight_of
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from bridle.attaching import attach
from bridle.regularizers import CATALOG
from own_layers import Doubled, LayerNormRMS, Members

MOVING = [
    *(name for name, leaf in CATALOG.items() if leaf.place == "weight" and name != "WeightDecay"),
    *("L1(strength=0.1)", "L2(strength=0.1)", "ElasticNet", "GroupLasso", "L2ToInit", "Orthogonality"),
    *("SpectralPenalty", "WeightDecay(strength=0.5)", "GradientNoise(spread=0.5)", "GradientCentralization"),
    *("WeightNorm", "SpectralNorm", "WeightStandardization", "DropConnect"),
]
FOLLOWING = ["ClipNorm(limit=0.01)", "ClipValue(limit=0.01)", "AdaptiveClip", "SAM", "ASAM", "Lookahead"]
AVERAGES = ["EMA(decay=0.7)", "SWA", "Lookahead"]


def through(how: str) -> nn.Sequential:
    """A parametrized layer from 6 to 4 units, and an ordinary one."""
    torch.manual_seed(0)
    layer: nn.Module = nn.Linear(6, 4, bias=False)
    if how in ("matrix_exp", "cayley", "householder"):
        layer = parametrizations.orthogonal(layer, orthogonal_map=how)
    elif how == "Doubled":
        parametrize.register_parametrization(layer, "weight", Doubled())
    else:
        layer = getattr(nn.utils if how.startswith("old") else parametrizations, how.removeprefix("old "))(layer)
    return nn.Sequential(layer, nn.ReLU(), nn.Linear(4, 3))


def in_members() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Unflatten(1, (2, 3)), nn.LayerNorm([2, 3]), Members(2, 3, 4), LayerNormRMS((2, 4)), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(8, 3))


def moved(model: nn.Module, recipe: str, optimizer: type[torch.optim.Optimizer] = torch.optim.SGD) -> set[str]:
    """The parameters that a step moves whose gradients are all zero."""
    own = optimizer(model.parameters(), lr=0.1)  # type: ignore[call-arg]  # of any optimizer
    attach(model, own, recipe, steps=5)
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    for each in model.parameters():
        each.grad = torch.zeros_like(each)
    own.step()
    return {name for name, each in model.named_parameters() if not torch.equal(each, before[name])}


@pytest.mark.parametrize(
    "recipe", ["L2(strength=0.1)", "L1(strength=0.1)", "WeightDecay(strength=0.1)", "MaxNorm(0.1)"]
)
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_scales_and_biases_of_two_axes_are_spared(recipe: str, optimizer: type[torch.optim.Optimizer]) -> None:
    found = moved(in_members(), f"{recipe} + WeightDecay(strength=0.0)" if recipe[0] != "W" else recipe, optimizer)
    assert found == {"2.weight", "2.r", "5.weight"}


def test_biases_are_all_that_are_called_so() -> None:
    assert moved(nn.LSTM(3, 4), "L2(strength=0.1, on='biases')") == {"bias_ih_l0", "bias_hh_l0"}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("recipe", MOVING)
@pytest.mark.parametrize("how", ["householder", "weight_norm", "old spectral_norm", "old weight_norm", "Doubled"])
def test_what_makes_a_weight_is_left_alone_and_named(recipe: str, how: str) -> None:
    model = through(how)
    made = [name for name, _ in model.named_parameters() if name.startswith("0.")]
    before = [model.get_parameter(name).detach().clone() for name in made]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    handle = attach(model, optimizer, recipe, loss=CRITERION, steps=5)
    for _ in range(3):
        handle.step(*data())
    assert all(torch.equal(model.get_parameter(name), w) for name, w in zip(made, before, strict=True))
    unit, by = type(next(iter(handle.recipe))).__name__, how.removeprefix("old ")
    for name in made:
        assert any(
            note.startswith(f"{name} is left alone by {unit}: ")
            and by in note
            and note.endswith("makes 0.weight of it")
            for note in handle.notes
        )


@pytest.mark.parametrize("recipe", [*MOVING, *FOLLOWING, *AVERAGES])
@pytest.mark.parametrize("how", ["matrix_exp", "cayley", "householder"])
def test_an_orthogonal_layer_stays_orthogonal(recipe: str, how: str) -> None:
    model = through(how)
    handle = attach(model, adam(model), recipe, loss=CRITERION, steps=5)
    for _ in range(5):
        handle.step(*data())
    with handle.averaged():
        weight = weight_of(model, "0")
        torch.testing.assert_close(weight @ weight.T, torch.eye(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("recipe", FOLLOWING)
def test_what_follows_the_gradient_acts_on_it(recipe: str) -> None:
    handle = attach(model := through("weight_norm"), adam(model), recipe)
    assert handle.notes == []
    assert "all parameters" in str(handle)


def test_a_parametrized_layer_is_of_the_type_that_it_was() -> None:
    handle = attach(model := through("weight_norm"), adam(model), "Dropout(rate=0.5, at='Linear')")
    assert str(handle) == "Dropout(rate=0.5, at='Linear'): on the input of 2"  # behind 0 and its ReLU


def test_what_is_named_is_acted_on() -> None:
    assert moved(through("weight_norm"), "L2(strength=0.1, on='*original1')") == {"0.parametrizations.weight.original1"}
    assert moved(through("Doubled"), "L2(strength=0.1, on='0.*.original')") == {"0.parametrizations.weight.original"}


def test_signs_are_refused_even_by_name_and_where_nothing_is_left_it_is_said() -> None:
    model = through("householder")
    with pytest.raises(ValueError, match=r"householder reads signs from 0\.parametrizations\.weight\.original"):
        attach(model, adam(model), "L2(on='*original')")
    with pytest.raises(ValueError, match=r"makes a weight of 0\.parametrizations\.weight\.original, which is left"):
        attach(model, adam(model), "L2(on='0.*')")


def test_the_optimizers_own_decay_on_signs_is_noted_and_rests_where_the_recipe_says_what_decays() -> None:
    model = through("householder")
    handle = attach(model, torch.optim.AdamW(model.parameters()), "ClipNorm")
    assert any("own weight_decay makes zero of the weight that orthogonal by householder" in n for n in handle.notes)
    model = through("householder")
    handle = attach(model, torch.optim.AdamW(model.parameters()), "WeightDecay", loss=CRITERION)
    handle.step(*data())
    weight = weight_of(model, "0")
    torch.testing.assert_close(weight @ weight.T, torch.eye(4), atol=1e-5, rtol=0)


Weighted = nn.Linear | nn.ConvTranspose1d


def zeros(layer: Weighted, units: int, axis: int = 0) -> Weighted:
    """Return the layer, its first units at zero."""
    with torch.no_grad():
        layer.weight.narrow(axis, 0, units).zero_()
    return layer


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (zeros(nn.Linear(6, 4), 4), "4 of 4"),
        (zeros(nn.Linear(6, 4), 1), "1 of 4"),
        (zeros(nn.ConvTranspose1d(6, 4, 1), 3, axis=1), "3 of 4"),
    ],
)
def test_units_at_zero_that_a_formula_would_leave_there_are_refused(layer: Weighted, count: str) -> None:
    model = nn.Sequential(nn.Conv1d(6, 6, 1) if layer.weight.ndim > 2 else nn.Linear(6, 6), nn.ReLU(), layer)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    with pytest.raises(ValueError, match=rf"WeightNorm\(\) cannot act on 2\.weight, where {count} units begin at zero"):
        attach(model, adam(model), "WeightNorm")
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    attach(model, adam(model), "WeightNorm(on='0.*')").detach(discard=True)
    attach(model, adam(model), "SpectralNorm + DropConnect")


def test_a_row_for_padding_may_be_zero() -> None:
    model = nn.Sequential(nn.Embedding(5, 6, padding_idx=0), nn.Linear(6, 3))
    assert "on 0.weight, 1.weight" in str(attach(model, adam(model), "WeightNorm"))
