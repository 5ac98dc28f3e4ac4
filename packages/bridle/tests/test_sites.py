"""Which of a recipe's regularizers acts where: the one answer that both engines get."""

import pytest

from bridle import L2, Dropout, LabelSmoothing, Recipe, StochasticDepth, WeightDecay
from bridle.feature_layout import Layout
from bridle.parameter_selection import Parameter, matching_parameters
from bridle.sites import check_sites, hidden_site, input_site, layers_at
from bridle.training_rules import check_data, with_optimizer_decay

AXES = {"linear1.weight": 2, "linear1.bias": 1, "conv.weight": 4, "output.weight": 2, "output.bias": 1}
PARAMETERS = [Parameter(name, axes, "Conv2d" if axes == 4 else "Linear") for name, axes in AXES.items()]
SITES = [input_site(), *(hidden_site(number, f"linear{number}", "Linear") for number in (1, 2, 3))]


@pytest.mark.parametrize(
    ("optimizer", "recipe", "decays"),
    [
        ("adamw", "none", [(0.01, "all")]),
        ("adamw", "WeightDecay(0.5)", [(0.5, "matrices")]),
        ("adamw", "Dropout + L2", [(0.01, "all")]),
        ("adam", "none", []),
    ],
)
def test_adamw_decays_everything_unless_the_recipe_says_its_own_decay(optimizer, recipe, decays):
    acting = with_optimizer_decay(optimizer, Recipe.parse(recipe))
    found = [(each.numbers()["strength"], each.settings(numbers=False)["on"]) for each in acting.at("weight")]
    assert found == decays


def test_layers_stand_where_they_say_in_the_order_in_which_they_act():
    recipe = Recipe.parse("Dropout(rate=0.1, at='all') + Dropout(rate=0.2) + BatchNorm")
    names = [[(each.name, getattr(each.layer, "rate", None)) for each in layers_at(recipe, site)] for site in SITES]
    assert names[0] == [("dropout0", 0.1)]
    assert names[1] == [("norm1", None), ("dropout1", 0.1), ("dropout1_2", 0.2)]
    assert [name for name, _ in names[2]] == ["norm2", "dropout2", "dropout2_2"]


def test_every_noisy_layer_has_a_stream_of_its_own():
    recipe = Recipe.parse("Dropout(rate=0.1, at='all') + Dropout(rate=0.2) + BatchNorm")
    stream_ids = [each.stream_id for site in SITES for each in layers_at(recipe, site) if each.layer.noise]
    assert len(set(stream_ids)) == len(stream_ids) == 7


def test_a_layer_added_elsewhere_does_not_move_the_noise_of_another():
    alone, with_norm = Recipe.of(Dropout(0.3)), Recipe.parse("BatchNorm + Dropout(0.3)")
    assert layers_at(alone, SITES[2])[-1].stream_id == layers_at(with_norm, SITES[2])[-1].stream_id


@pytest.mark.parametrize(
    ("on", "names"),
    [
        ("matrices", ["linear1.weight", "conv.weight", "output.weight"]),
        ("biases", ["linear1.bias", "output.bias"]),
        ("Conv2d", ["conv.weight"]),
        ("all", list(AXES)),
        ("output.*", ["output.weight", "output.bias"]),
    ],
)
def test_on_selects_parameters(on, names):
    for unit in (L2(on=on), WeightDecay(on=on)):
        assert [each.name for each in matching_parameters(unit, PARAMETERS)] == names


def test_what_selects_nothing_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"on='norm' selects none of the parameters; they are linear1\.weight"):
        matching_parameters(L2(on="norm"), PARAMETERS)


@pytest.mark.parametrize(("at", "numbers"), [("2", [2]), ("linear[13]", [1, 3]), ("Linear", [1, 2, 3]), ("input", [0])])
def test_a_layer_stands_where_its_pattern_says(at, numbers):
    recipe = Recipe.of(Dropout(0.3, at=at))
    check_sites(recipe, SITES)
    assert [site.number for site in SITES if layers_at(recipe, site)] == numbers


def test_values_for_layers_that_are_not_there_are_refused():
    with pytest.raises(
        ValueError, match=r"the pattern 'linaer1' of rate matches nothing; there are 0, input, 1, linear1"
    ):
        check_sites(Recipe.of(Dropout({"linaer1": 0.1, "*": 0.2})), SITES)
    with pytest.raises(
        ValueError, match=r"the pattern 'conv9\*' of strength matches nothing; there are linear1\.weight"
    ):
        matching_parameters(L2({"conv9*": 0.1}), PARAMETERS)
    with pytest.raises(ValueError, match=r"the pattern '0' of strength matches nothing; it acts in no layer"):
        check_data(LabelSmoothing({"0": 0.1}), "classification", Layout.of((4,)))


def test_a_layer_that_stands_nowhere_is_refused_with_the_places_there_are():
    with pytest.raises(ValueError, match=r"at='conv\*' is no place in this network; there are input, linear1, Linear"):
        check_sites(Recipe.of(Dropout(0.3, at="conv*")), SITES)
    with pytest.raises(ValueError, match=r"a network with residual branches is residual_mlp"):
        check_sites(Recipe.of(StochasticDepth()), SITES)
