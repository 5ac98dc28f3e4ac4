"""The base of all regularizers that have a place: what each declares of its formulas."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

from bridle.knobs import knobs
from bridle.places.definition import check_definition
from bridle.places.noise import Draw
from bridle.places.signatures import Form
from bridle.recipe import Regularizer

__all__ = ["AT", "BIASES", "EVERYTHING", "HIDDEN", "INPUT", "MATRICES", "ON", "Array", "Placed", "Start", "in_choices"]

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

# What a formula may take besides its own arrays and knobs. Each place gives some of these, as its base says.
ExtraInput = Literal["initial", "weight", "norm", "fan_in", "slope", "prediction"]  # by position
StepInput = Literal["lr", "peak", "step", "steps", "layout"]  # by keyword

# Where a parameter or state begins: a number, or a function of the weight (both NumPy's and torch's) for weight layers.
Start = float | Callable[[Any], Any]

Array = TypeVar("Array")  # of a state's fields: NumPy's or torch's arrays, or where they start


class NoState(NamedTuple):
    """The state of a regularizer that carries nothing from step to step."""


@dataclass(frozen=True, repr=False)
class Placed(Regularizer):
    """Declares a regularizer's formulas and their inputs, with the defaults of most (Note [the formulas]).

    A class is checked when it is defined: ``ValueError`` for a word that its place does not know, and for a formula
    that cannot take what its place gives.
    """

    place: ClassVar[str] = ""
    forms: ClassVar[tuple[Form, ...]] = ()  # how the place calls the formulas
    noise: ClassVar[tuple[Draw, ...]] = ()
    extra_inputs: ClassVar[tuple[ExtraInput, ...]] = ()
    step_inputs: ClassVar[tuple[StepInput, ...]] = ()
    parameters: ClassVar[dict[str, Start]] = {}  # learned: name and start
    state: ClassVar[NamedTuple] = NoState()  # carried from step to step: a named tuple of where its fields start
    vanilla: ClassVar[Callable[..., Any]]
    torch: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls) -> None:
        if ABC not in cls.__bases__:  # a leaf, which is known by its name only if it is in order
            check_definition(cls, Placed)
        super().__init_subclass__()

    def keywords(self, *where: str, passed: float = 0.0) -> dict[str, Any]:
        """Return the knobs as a formula takes them: the numbers of a site at a moment (see ``numbers``), and words."""
        return {**self.numbers(*where, passed=passed), **self.words_in_formula()}

    def pack(self, state: Iterable[Any]) -> list[NamedTuple]:
        """Return the values of a state as the formulas take them: one named tuple, or nothing where none is carried."""
        return [type(self.state)._make(state)] if self.state else []

    def words_in_formula(self) -> dict[str, str]:
        """Return the knobs that are words and that the formulas take by name."""
        return {k.name: getattr(self, k.name) for k in knobs(self) if k.in_formula and not k.is_number}


def in_choices(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return the value; raise ``ValueError`` if it is none of the choices: for formulas that take a word."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
