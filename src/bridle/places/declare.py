"""What regularizers of every place declare: the noise that they draw, and the parameters that they act on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar, NamedTuple

from bridle.recipe import Regularizer

MATRICES, EVERYTHING, BIASES = "matrices", "all", "biases"
ON = (
    f'which parameters: "{MATRICES}" (two or more axes: no biases, no norm scales), "{BIASES}", "{EVERYTHING}", '
    "a layer type such as Conv2d, or a name pattern"
)
BIAS = re.compile(r"(^|_)bias(es)?(_|\d|$)")  # bias, in_proj_bias, bias_ih_l0
HIDDEN, INPUT = "hidden", "input"
AT = (
    f'where: "{HIDDEN}" (behind every hidden layer), "{INPUT}" (on the network\'s input), "{EVERYTHING}" (both), '
    "a layer type such as Conv2d, or a name pattern"
)


STREAMS = 2**36  # more than there are spots in any network


class Draw(NamedTuple):
    """One array of noise that a formula takes, drawn anew for every step.

    ``kind`` is "uniform" (in [0, 1), in steps of 1/65536) or "normal" (mean 0, deviation 1). ``each`` says what shares
    a draw: "value" (every number of the subject has its own), "channel" (one for each example and channel), "row" (one
    for each example), "batch" (one for all). The array has the subject's axes, of length 1 where a draw is shared.
    """

    kind: str = "uniform"
    each: str = "value"

    def shape(self, subject: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the noise for a subject (of one variant) of this shape.

        >>> Draw("uniform", "channel").shape((8, 3, 5, 5)), Draw("normal", "row").shape((8, 20))
        ((8, 3, 1, 1), (8, 1))
        """
        own = {"value": len(subject), "channel": 2, "row": 1, "batch": 0}[self.each]
        return tuple(length if axis < own else 1 for axis, length in enumerate(subject))

    def stream(self, spot: int) -> int:
        """The stream of random numbers that this draw takes at a spot.

        Recipes compared under one seed share a spot's stream, whatever they make of its numbers; draws of another
        length have one of their own, so that no recipe moves the numbers of another.
        """
        return spot + STREAMS * ("value", "channel", "row", "batch").index(self.each)


# Where a parameter or state begins: a number, or a function of the weight (both NumPy's and torch's) for weight layers.
Start = float | Callable[[Any], Any]


@dataclass(frozen=True, repr=False)
class Placed(Regularizer):
    """What every place's base declares, with the defaults that most regularizers keep (Note [the formulas])."""

    place: ClassVar[str] = ""
    noise: ClassVar[tuple[Draw, ...]] = ()
    asks: ClassVar[tuple[str, ...]] = ()
    told: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[dict[str, Any]] = {}  # learned: name and initial value
    state: ClassVar[dict[str, Any]] = {}  # carried from step to step: name and initial value
    vanilla: ClassVar[Callable[..., Any]]
    torch: ClassVar[Callable[..., Any]]

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


def is_bias(name: str) -> bool:
    """Whether a layer calls a parameter a bias."""
    return BIAS.search(name) is not None


def in_choices(name: str, value: str, choices: tuple[str, ...]) -> str:
    """The value, or ``ValueError`` if it is none of the choices: for formulas that are told a word."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
