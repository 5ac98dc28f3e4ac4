"""The units in which libraries count the strength of a decay or a penalty."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from bridle_audit.decay.trials import COUPLED, DECOUPLED
from bridle_audit.errors import InputError
from bridle_audit.wording import nearest

__all__ = ["MEANINGS", "UNITS", "TrainingNumbers", "Unit", "find_unit"]


class TrainingNumbers(NamedTuple):
    """The numbers of a training that some units depend on."""

    lr: float | None = None
    peak_lr: float | None = None  # the highest of the schedule
    batch_size: int | None = None
    samples: int | None = None  # rows of the training data


MEANINGS = {
    "lr": "the learning rate",
    "peak_lr": "the highest learning rate of the schedule",
    "batch_size": "the number of rows in a batch",
    "samples": "the number of rows that it is fitted to",
}


@dataclass(frozen=True)
class Unit:
    """A library's unit of strength."""

    name: str
    call: str  # in which the number, v, is written
    kind: str  # coupled: a part of the gradient; decoupled: off the weight
    formula: str  # of a step; g is the gradient, w the weight
    factor: Callable[[TrainingNumbers], float] = lambda given: 1.0  # times the number gives torch's weight_decay
    needs: tuple[str, ...] = ()  # the numbers of the training that the factor is made from
    inverted: bool = False  # whether a larger number is less of it
    rescaled: bool = False  # whether the optimizer that it belongs to rescales gradients

    def in_torch(self, value: float, given: TrainingNumbers) -> float:
        """Return a number of this unit as torch's weight_decay of the same kind."""
        return self.factor(given) * (reciprocal(value) if self.inverted else value)

    def from_torch(self, decay: float, given: TrainingNumbers) -> float:
        """Return a weight_decay of torch's as a number of this unit."""
        value = decay / self.factor(given)
        return reciprocal(value) if self.inverted else value


def reciprocal(value: float) -> float:
    """Return 1 / value, inf for 0."""
    return 1 / value if value else math.inf


def peak_lr_factor(given: TrainingNumbers) -> float:
    """Return the factor of a unit that follows the schedule, but not the size of the learning rate."""
    return 1 / (given.peak_lr or math.nan)


def batch_factor(given: TrainingNumbers) -> float:
    """Return the factor of a unit that is divided by the rows of a batch."""
    return 1 / (given.batch_size or math.nan)


def sample_factor(given: TrainingNumbers) -> float:
    """Return the factor of a unit that is weighed against the sum over all rows."""
    return 1 / (given.samples or math.nan)


PENALTY, SHRINK = "g ← g + v·w", "w ← w - lr·v·w"
DOUBLE, SCHEDULED = "g ← g + 2v·w", "w ← w - (lr / peak_lr)·v·w"

UNITS: dict[str, Unit] = {
    each.name: each
    for each in (
        Unit("torch.SGD", "torch.optim.SGD(weight_decay=v)", COUPLED, PENALTY),
        Unit("torch.Adam", "torch.optim.Adam(weight_decay=v)", COUPLED, PENALTY, rescaled=True),
        Unit("torch.AdamW", "torch.optim.AdamW(weight_decay=v)", DECOUPLED, SHRINK),
        Unit("torch.Muon", "torch.optim.Muon(weight_decay=v)", DECOUPLED, SHRINK),
        Unit("keras.L2", "keras.regularizers.L2(v)", COUPLED, DOUBLE, lambda given: 2.0),
        Unit("keras.weight_decay", "any optimizer of Keras (weight_decay=v)", DECOUPLED, SHRINK),
        Unit("keras.AdamW", "keras.optimizers.AdamW(weight_decay=v)", DECOUPLED, SHRINK),
        Unit(
            "composer.DecoupledAdamW",
            "composer.optim.DecoupledAdamW(weight_decay=v)",
            DECOUPLED,
            SCHEDULED,
            peak_lr_factor,
            ("peak_lr",),
        ),
        Unit(
            "composer.DecoupledSGDW",
            "composer.optim.DecoupledSGDW(weight_decay=v)",
            DECOUPLED,
            SCHEDULED,
            peak_lr_factor,
            ("peak_lr",),
        ),
        Unit(
            "sklearn.MLP",
            "MLPClassifier(alpha=v)",
            COUPLED,
            "g ← g + (v / batch_size)·w",
            batch_factor,
            ("batch_size",),
        ),
        Unit(
            "sklearn.Ridge",
            "Ridge(alpha=v), next to the mean squared error",
            COUPLED,
            "g ← g + (2v / samples)·w",
            lambda given: 2 * sample_factor(given),
            ("samples",),
        ),
        Unit(
            "sklearn.LogisticRegression",
            "LogisticRegression(C=v), next to the mean cross-entropy",
            COUPLED,
            "g ← g + w / (v·samples)",
            sample_factor,
            ("samples",),
            inverted=True,
        ),
        Unit("fastai.Adam", "fastai's Adam(wd=v), Learner(wd=v)", DECOUPLED, SHRINK),
        Unit("optax.adamw", "optax.adamw(weight_decay=v)", DECOUPLED, SHRINK),
        Unit("pytabkit.l2_reg", "pytabkit's l2_reg=v", COUPLED, DOUBLE, lambda given: 2.0),
        Unit("bridle.L2", "L2(strength=v)", COUPLED, DOUBLE, lambda given: 2.0),
        Unit("bridle.WeightDecay", "WeightDecay(strength=v)", DECOUPLED, SHRINK),
        Unit(
            "bridle.WeightDecay(per=schedule)",
            "WeightDecay(strength=v, per='schedule')",
            DECOUPLED,
            SCHEDULED,
            peak_lr_factor,
            ("peak_lr",),
        ),
        Unit(
            "share per step",
            "the ledger's unit",
            DECOUPLED,
            "w ← w - v·w",
            lambda given: 1 / (given.lr or math.nan),
            ("lr",),
        ),
    )
}
ALIASES = {
    "torch.rmsprop": "torch.Adam",
    "torch.nadam": "torch.Adam",
    "torch.radam": "torch.Adam",
    "torch.adamax": "torch.Adam",
    "torch.adagrad": "torch.Adam",
    "torch.adadelta": "torch.Adam",
    "fastai.sgd": "fastai.Adam",
    "fastai.learner": "fastai.Adam",
    "sklearn.mlpclassifier": "sklearn.MLP",
    "sklearn.mlpregressor": "sklearn.MLP",
}


def find_unit(name: str) -> Unit:
    """Return the unit of a name, in upper or lower case, with or without the modules in between."""
    bare = "".join(each for each in str(name).lower() if each not in " '\"")
    path, bracket, inside = bare.partition("(")
    parts = path.split(".")
    short = f"{parts[0]}.{parts[-1]}{bracket}{inside}" if len(parts) > 1 else path
    names = {each.replace(" ", "").lower(): each for each in UNITS} | ALIASES
    if short not in names:
        raise InputError(f"unknown unit of strength {name!r}{nearest(str(name), UNITS)}")
    return UNITS[names[short]]
