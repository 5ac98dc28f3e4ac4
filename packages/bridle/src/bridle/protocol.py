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
from bridle.results import RunKey

__all__ = [
    "ADAMW_DECAY",
    "BETAS",
    "EPS",
    "EVALUATIONS",
    "FIRST_EPOCHS",
    "FIRST_STEPS",
    "LAST_EPOCHS",
    "LAST_STEPS",
    "LEARNING_RATES",
    "MOMENTUM",
    "PRECISIONS",
    "SCHEDULES",
    "Progress",
    "Protocol",
    "StepInfo",
    "Variant",
    "checked_seed",
    "chosen_seeds",
    "whole_number",
]

# Starting points for small networks, not tuned to any data; a comparison tries multiples of them.
LEARNING_RATES = {"adam": 0.002, "adamw": 0.002, "sgd": 0.1, "momentum": 0.02}
MOMENTUM = 0.9
# The lengths that are tried where the number of epochs is left open: see Protocol.lengths.
FIRST_STEPS, FIRST_EPOCHS = 200, 2
LAST_STEPS, LAST_EPOCHS = 3000, 64
EVALUATIONS = 32  # of a training whose best epoch is kept
BETAS, EPS = (0.9, 0.999), 1e-8
ADAMW_DECAY = 0.01  # torch's default, on all parameters; a recipe with WeightDecay says its own instead
SCHEDULES = ("cosine", "constant")
MOST_SEED = 2**63 - 1  # what torch's generators take
PRECISIONS = ("auto", "float64", "float32", "bfloat16")

Progress = Callable[[int], None]  # told how many more steps of single runs are done


class Variant(NamedTuple):
    """One run to be trained: a recipe under a seed, with a peak learning rate of its own or the protocol's."""

    recipe: Recipe
    seed: int
    lr: float | None = None

    @property
    def key(self) -> RunKey:
        """The key of its run."""
        return RunKey.of(str(self.recipe), self.seed, self.lr)


class StepInfo(NamedTuple):
    """The position of one step in a training, and its learning rate."""

    step: int  # from 0
    steps: int  # of the training
    lr: float
    peak: float  # the highest learning rate


@dataclass(frozen=True)
class Protocol:
    """Optimizer, learning rate and its schedule, batches, epochs, precision, and how classes are weighed.

    ``lr=None`` takes the optimizer's own default; ``bridle.compare`` chooses it for the baseline. ``optimizer`` is
    "adam", "sgd", "momentum" (SGD with momentum 0.9) or "adamw", torch's with its default decay of 0.01 on every
    parameter, unless the recipe has a WeightDecay, which replaces it. ``schedule`` is "cosine" or "constant".

    ``epochs=None`` finds the length: each of ``lengths`` is trained from the start, as long as twice the epochs give
    a better validation score (see ``training_length``), and the best is kept. ``restore_best`` keeps the weights of the
    epoch with the best validation score; None does so where the length is open, and else keeps those of the last epoch.
    ``metric`` is the score meant, by its name; None is the task's default, log-loss or R².

    ``class_weight="balanced"`` weighs rows by rows / (classes * rows of their class) in the training loss, as
    scikit-learn does; scores are not weighed.

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
    restore_best: bool | None = None
    metric: str | None = None
    class_weight: str | None = None

    def __post_init__(self) -> None:
        check_choice("optimizer", self.optimizer, tuple(LEARNING_RATES))
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("restore_best", self.restore_best, (None, True, False))
        check_choice("class_weight", self.class_weight, (None, "balanced"))
        if self.metric is not None and not isinstance(self.metric, str):
            raise InputError(f"Protocol: metric must be the name of a metric, got {self.metric!r}")
        if self.lr is not None:
            object.__setattr__(self, "lr", checked_rate(self.lr))
        object.__setattr__(self, "batch_size", whole("batch_size", self.batch_size, 2))
        if self.epochs is not None:
            object.__setattr__(self, "epochs", whole("epochs", self.epochs, 1))

    @classmethod
    def of(cls, protocol: Protocol | None) -> Protocol:
        """Return the protocol, or the default one; ``ValueError`` for anything else."""
        if protocol is not None and not isinstance(protocol, Protocol):
            raise InputError(f"protocol must be a Protocol, such as Protocol(epochs=20), got {protocol!r}")
        return protocol or cls()

    def lengths(self, rows: int) -> list[int]:
        """Return the numbers of epochs to try for so many training rows: one where it is fixed, else doubling ones.

        The first makes 200 steps and 2 epochs at least, the last 3000 steps and 64 epochs.

        >>> [Protocol(batch_size=64).lengths(rows) for rows in (120, 1079, 50_000)]
        [[200, 400, 800, 1600, 3200], [13, 26, 52, 104, 208], [2, 4, 8, 16, 32, 64]]
        >>> Protocol(epochs=30).lengths(120)
        [30]
        """
        if self.epochs is not None:
            return [self.epochs]
        per_epoch = max(1, rows // self.batch_size)
        lengths = [max(FIRST_EPOCHS, math.ceil(FIRST_STEPS / per_epoch))]
        while lengths[-1] < LAST_EPOCHS or lengths[-1] * per_epoch < LAST_STEPS:
            lengths.append(2 * lengths[-1])
        return lengths

    def with_length(self, epochs: int) -> Protocol:
        """Return the protocol with a fixed length, and the best epoch's weights restored where it was open."""
        restore = self.keeps_best_epoch
        return dataclasses.replace(self, epochs=epochs, restore_best=restore)

    @property
    def keeps_best_epoch(self) -> bool:
        """True where the weights of the best epoch are kept, and not those of the last."""
        return self.epochs is None if self.restore_best is None else self.restore_best

    def evaluates_after(self, epoch: int, *, stops_early: bool = False) -> bool:
        """Return True where scores are taken after an epoch (from 1).

        After every epoch, but where the best one is kept 32 times at most, evenly: it need not be known more exactly,
        and in small data an epoch is no more than a few steps. A recipe that stops by itself counts epochs, so it is
        asked after each.
        """
        every = 1 if stops_early or not self.keeps_best_epoch else max(1, self.n_epochs // EVALUATIONS)
        return epoch % every == 0 or epoch == self.n_epochs

    @property
    def n_epochs(self) -> int:
        """The number of epochs, settled."""
        if self.epochs is None:
            raise InputError("Protocol: the number of epochs is open; choose one of lengths(rows) with with_length")
        return self.epochs

    @property
    def peak_lr(self) -> float:
        """The highest learning rate: the one given, or the optimizer's default."""
        return LEARNING_RATES[self.optimizer] if self.lr is None else self.lr

    def learning_rate(self, step: int, steps: int) -> float:
        """Return the learning rate of step 0 ... steps - 1.

        >>> [round(Protocol(lr=1.0).learning_rate(step, 4), 3) for step in range(4)]
        [1.0, 0.854, 0.5, 0.146]
        """
        lr = self.peak_lr
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


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise InputError(f"Protocol: {name} must be one of {', '.join(map(str, choices))}, got {value!r}")


def checked_rate(given: object) -> float:
    """Return a learning rate as a plain number; ``ValueError`` for what is none."""
    lr = given if isinstance(given, int) or not isinstance(given, Real) else float(given)  # NumPy's too
    if isinstance(lr, bool) or not isinstance(lr, int | float) or not 0 < lr <= sys.float_info.max:
        raise InputError(f"Protocol: lr must be a positive number, got {lr!r}")
    return lr


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
