"""The protocol of training: all that must be equal for a comparison to be fair."""

from __future__ import annotations

import dataclasses
import math
import operator
import reprlib
import sys
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple, SupportsIndex

from bridle.errors import InputError
from bridle.recipe import Recipe

__all__ = [
    "ADAMW_DECAY",
    "BETAS",
    "EPS",
    "FEWEST_EPOCHS",
    "LEARNING_RATES",
    "MOMENTUM",
    "MOST_EPOCHS",
    "PRECISIONS",
    "SCHEDULES",
    "STEPS",
    "Progress",
    "Protocol",
    "StepInfo",
    "Variant",
    "checked_seed",
    "chosen_seeds",
]

# Starting points for small networks, not tuned to any data: where the learning rate matters, compare several.
LEARNING_RATES = {"adam": 0.002, "adamw": 0.002, "sgd": 0.1, "momentum": 0.02}
MOMENTUM = 0.9
STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 1000, 10, 200  # where the number of epochs is left open
BETAS, EPS = (0.9, 0.999), 1e-8
ADAMW_DECAY = 0.01  # torch's default, on all parameters; a recipe with WeightDecay says its own instead
SCHEDULES = ("cosine", "constant")
MOST_SEED = 2**63 - 1  # what torch's generators take
PRECISIONS = ("auto", "float64", "float32", "bfloat16")

Progress = Callable[[int], None]  # told how many more steps of single runs are done


class Variant(NamedTuple):
    """One run to be trained: a recipe under a seed."""

    recipe: Recipe
    seed: int


class StepInfo(NamedTuple):
    """The position of one step in a training, and its learning rate."""

    step: int  # from 0
    steps: int  # of the training
    lr: float
    peak: float  # the highest learning rate


@dataclass(frozen=True)
class Protocol:
    """Optimizer, learning rate and its schedule, batches, epochs, precision.

    ``lr=None`` takes the optimizer's own default. ``optimizer="momentum"`` is SGD with momentum 0.9; ``"adamw"`` is
    torch's with its default decay of 0.01 on every parameter, unless the recipe has a WeightDecay, which replaces it.
    ``epochs=None`` takes as many as make about a thousand steps, but no fewer than 10 and no more than 200.
    ``precision="auto"`` takes bfloat16 matrix products with float32 weights where the processor has units for them,
    else float32; float64 is for checks. Products in bfloat16 are for training steps alone: scores, curves and what is
    decided by them are taken in the precision of the weights. Raises ``ValueError`` for what cannot be trained.
    """

    optimizer: str = "adam"
    lr: float | None = None
    schedule: str = "cosine"
    batch_size: int = 64
    epochs: int | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        check_choice("optimizer", self.optimizer, tuple(LEARNING_RATES))
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("precision", self.precision, PRECISIONS)
        if self.lr is None:
            object.__setattr__(self, "lr", LEARNING_RATES[self.optimizer])
        lr = self.lr if isinstance(self.lr, int) or not isinstance(self.lr, Real) else float(self.lr)  # NumPy's too
        if isinstance(lr, bool) or not isinstance(lr, int | float) or not 0 < lr <= sys.float_info.max:
            raise InputError(f"Protocol: lr must be a positive number, got {lr!r}")
        object.__setattr__(self, "lr", lr)
        object.__setattr__(self, "batch_size", whole("batch_size", self.batch_size, 2))
        if self.epochs is not None:
            object.__setattr__(self, "epochs", whole("epochs", self.epochs, 1))

    @classmethod
    def of(cls, protocol: Protocol | None) -> Protocol:
        """Return the protocol, or the default one; ``ValueError`` for anything else."""
        if protocol is not None and not isinstance(protocol, Protocol):
            raise InputError(f"protocol must be a Protocol, such as Protocol(epochs=20), got {protocol!r}")
        return protocol or cls()

    def for_rows(self, rows: int) -> Protocol:
        """Return the protocol for a training set of so many rows, the number of epochs settled where it is open.

        >>> [Protocol(batch_size=64).for_rows(rows).epochs for rows in (120, 1079, 50_000)]
        [200, 62, 10]
        """
        if self.epochs is not None:
            return self
        per_epoch = max(1, rows // self.batch_size)
        return dataclasses.replace(self, epochs=min(MOST_EPOCHS, max(FEWEST_EPOCHS, STEPS // per_epoch)))

    @property
    def n_epochs(self) -> int:
        """The number of epochs, settled."""
        if self.epochs is None:
            raise InputError("Protocol: the number of epochs is open until the data are known; call on(rows) first")
        return self.epochs

    def learning_rate(self, step: int, steps: int) -> float:
        """Return the learning rate of step 0 ... steps - 1.

        >>> [round(Protocol(lr=1.0).learning_rate(step, 4), 3) for step in range(4)]
        [1.0, 0.854, 0.5, 0.146]
        """
        lr = float(self.lr or 0.0)
        return lr if self.schedule == "constant" else lr * 0.5 * (1 + math.cos(math.pi * step / steps))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary."""
        return dataclasses.asdict(self)


def checked_seed(seed: object) -> int:
    """Return the seed as a plain number; ``ValueError`` for what is none."""
    number = whole_number(seed)
    if number is None or not 0 <= number <= MOST_SEED:
        raise InputError(f"a seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
    return number


def chosen_seeds(seeds: int | Sequence[int]) -> Sequence[int]:
    """Return the seeds to train under: 0 ... n - 1 for a number n, or those given; ``ValueError`` for what is neither.

    As many as are asked for, and they may be a billion: what they take is to be checked before they are listed.

    >>> chosen_seeds(3), chosen_seeds([7, 1])
    (range(0, 3), [7, 1])
    """
    problem = (
        f"seeds must be how many (1 or more) or a list of different whole numbers from 0, got {reprlib.repr(seeds)}"
    )
    if isinstance(seeds, bool | str | bytes) or not isinstance(seeds, Integral | Sized):  # NumPy's are Integral too
        raise InputError(problem)
    asked = range(int(seeds)) if isinstance(seeds, int | Integral) else seeds
    counted = isinstance(asked, range)
    try:
        chosen = [checked_seed(seed) for seed in ((asked[0], asked[-1]) if counted and len(asked) else asked)]
    except (TypeError, ValueError, OverflowError) as error:  # more than a length can be
        raise InputError(problem) from error
    if not chosen or (not counted and len(set(chosen)) < len(chosen)):
        raise InputError(problem)
    return asked if counted else chosen


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise InputError(f"Protocol: {name} must be one of {', '.join(choices)}, got {value!r}")


def whole(name: str, value: object, least: int) -> int:
    """Return a whole number as a plain one; ``ValueError`` unless it is at least ``least``."""
    number = whole_number(value)
    if number is None or number < least:
        raise InputError(f"Protocol: {name} must be a whole number of at least {least}, got {value!r}")
    return number


def whole_number(value: object) -> int | None:
    """Return a whole number, NumPy's too, as a plain one; None for anything else, truth values among it."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    try:
        return operator.index(value)
    except TypeError:  # an array of several numbers
        return None
