"""What regularizers of every place declare, and the parameters that they act on."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from bridle.places.definition import check_definition
from bridle.places.draw import Draw
from bridle.places.signatures import Form
from bridle.recipe import Regularizer
from bridle_audit.kinds import is_bias

MATRICES, EVERYTHING, BIASES = "matrices", "all", "biases"
ON = (
    f'which parameters: "{MATRICES}" (two or more axes: no biases, no norm scales), "{BIASES}", "{EVERYTHING}", '
    "a layer type such as Conv2d, or a name pattern"
)
HIDDEN, INPUT = "hidden", "input"
AT = (
    f'where: "{HIDDEN}" (behind every hidden layer), "{INPUT}" (on the network\'s input), "{EVERYTHING}" (both), '
    "a layer type such as Conv2d, or a name pattern"
)

# Where a parameter or state begins: a number, or a function of the weight (both NumPy's and torch's) for weight layers.
Start = float | Callable[[Any], Any]


@dataclass(frozen=True, repr=False)
class Placed(Regularizer):
    """What every place's base declares, with the defaults that most regularizers keep (Note [the formulas]).

    A class is checked when it is defined: ``ValueError`` for a word that its place does not know, and for a formula
    that cannot take what its place gives.
    """

    place: ClassVar[str] = ""
    forms: ClassVar[tuple[Form, ...]] = ()  # how the place calls the formulas
    answers: ClassVar[tuple[str, ...]] = ()  # what a class may ask for
    tells: ClassVar[tuple[str, ...]] = ()  # what it may be told, besides its own words
    noise: ClassVar[tuple[Draw, ...]] = ()
    asks: ClassVar[tuple[str, ...]] = ()
    told: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[dict[str, Any]] = {}  # learned: name and initial value
    state: ClassVar[dict[str, Any]] = {}  # carried from step to step: name and initial value
    vanilla: ClassVar[Callable[..., Any]]
    torch: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls) -> None:
        if ABC not in cls.__bases__:  # a leaf, which is known by its name only if it is in order
            check_definition(cls, Placed)
        super().__init_subclass__()

    def keywords(self, *where: str, passed: float = 0.0) -> dict[str, Any]:
        """The knobs as a formula takes them at a spot and a moment (see ``numbers``), and the words it is told."""
        words = {name: word for name, word in self.settings(numbers=False).items() if name in self.told}
        return {**self.numbers(*where, passed=passed), **words}


def acts_on(on: str, name: str, axes: int, layer: str = "") -> bool:
    """Whether ``on`` selects a parameter: its name, its number of axes (in a single network) and its layer's type.

    >>> [acts_on(on, "linear1.bias", 1) for on in ("matrices", "biases", "all", "linear1.*")]
    [False, True, True, True]
    """
    if on == MATRICES:
        return axes >= 2
    if on == BIASES:
        return is_bias(name.rpartition(".")[2])
    return on in (EVERYTHING, layer) or fnmatchcase(name, on)


def in_choices(name: str, value: str, choices: tuple[str, ...]) -> str:
    """The value, or ``ValueError`` if it is none of the choices: for formulas that are told a word."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
