"""What both engines are asked alike: averages by layer, words of what stops, weight layers on what is no weight."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from bridle import EarlyStopping, load, mlp, train
from bridle.errors import InputError
from bridle.knobs import knob
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe
from bridle.vanilla import train_variants

NETWORK, PROTOCOL = mlp(8), Protocol("sgd", batch_size=64, epochs=3, precision="float64")


def train_vanilla(data, recipe, network, protocol, seed):
    (run,) = train_variants(data, [Variant(Recipe.of(recipe), seed)], network, protocol)
    return run


def losses(run):
    return run.curves["valid_loss"]


def test_an_average_takes_the_value_of_its_layers_type_in_both():
    data, recipe = load("digits"), "EMA(decay={'Linear': 0.5, '*': 0.99})"
    ours, theirs = (
        train(data, recipe, NETWORK, PROTOCOL, seed=0),
        train_vanilla(data, recipe, NETWORK, PROTOCOL, seed=0),
    )
    assert losses(ours) == pytest.approx(losses(theirs), rel=1e-6)
    assert losses(ours) != pytest.approx(losses(train(data, "EMA(decay=0.99)", NETWORK, PROTOCOL, seed=0)), rel=1e-6)


@pytest.mark.parametrize("trained", [train, train_vanilla])
@pytest.mark.parametrize("recipe", ["WeightNorm(on='all')", "BatchNorm + DropConnect(on='norm1.weight')"])
def test_a_weight_layer_on_what_is_no_weight_is_refused_and_not_passed_over(trained, recipe):
    with pytest.raises(InputError, match=r"acts on the weights of layers, and on=.* selects .*; choose others by on="):
        trained(load("digits"), recipe, NETWORK, PROTOCOL, seed=0)


def by_its_word(score, state, *, patience, min_delta, mood):
    return True, mood == "hasty", state


@pytest.mark.usefixtures("own_leaves")
def test_what_stops_is_given_its_words():
    @dataclass(frozen=True, repr=False)
    class Patient(EarlyStopping):
        """Waits, by its word."""

        mood: str = knob("calm", "how", choices=("calm", "hasty"), in_formula=True)
        vanilla: ClassVar[Any] = staticmethod(by_its_word)
        torch: ClassVar[Any] = staticmethod(by_its_word)

    calm = Patient()
    for trained in (train, train_vanilla):
        stopped = [
            trained(load("digits"), unit, NETWORK, PROTOCOL, seed=0).stopped_at
            for unit in (calm, replace(calm, mood="hasty"))
        ]
        assert stopped == [None, 1]
