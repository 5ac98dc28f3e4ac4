"""Which of a recipe's regularizers acts where: the one answer that both engines get."""

import pytest

from bridle import L2, Dropout, Recipe, WeightDecay
from bridle.acting import selected, standing, under

AXES = {"linear1.weight": 2, "linear1.bias": 1, "output.weight": 2, "output.bias": 1}


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
    acting = under(optimizer, Recipe.parse(recipe))
    assert [(each.strength, each.on) for each in acting.at("weight")] == decays


def test_layers_stand_where_they_say_in_the_order_in_which_they_act():
    recipe = Recipe.parse("Dropout(rate=0.1, at='all') + Dropout(rate=0.2) + BatchNorm")
    names = [[(each.name, getattr(each.layer, "rate", None)) for each in standing(recipe, site)] for site in range(3)]
    assert names[0] == [("dropout0", 0.1)]
    assert names[1] == [("norm1", None), ("dropout1", 0.1), ("dropout1_2", 0.2)]
    assert [name for name, _ in names[2]] == ["norm2", "dropout2", "dropout2_2"]


def test_every_noisy_layer_has_a_stream_of_its_own():
    recipe = Recipe.parse("Dropout(rate=0.1, at='all') + Dropout(rate=0.2) + BatchNorm")
    spots = [each.spot for site in range(4) for each in standing(recipe, site) if each.layer.draws_noise]
    assert len(set(spots)) == len(spots) == 7


def test_a_layer_added_elsewhere_does_not_move_the_noise_of_another():
    alone, with_norm = Recipe.of(Dropout(0.3)), Recipe.parse("BatchNorm + Dropout(0.3)")
    assert standing(alone, 2)[-1].spot == standing(with_norm, 2)[-1].spot


@pytest.mark.parametrize(
    ("on", "names"),
    [
        ("matrices", ["linear1.weight", "output.weight"]),
        ("all", list(AXES)),
        ("output.*", ["output.weight", "output.bias"]),
    ],
)
def test_on_selects_parameters(on, names):
    assert selected(L2(on=on), AXES) == selected(WeightDecay(on=on), AXES) == names


def test_what_selects_nothing_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"on='conv' selects none of the parameters; they are linear1\.weight"):
        selected(L2(on="conv"), AXES)
