"""Conversion of strengths between the units of libraries: 0.01 in one may be 10 in another.

All are compared by the share of a weight that one step takes when the data's gradient is zero; per unit of the learning
rate, that is torch's weight_decay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict, Unpack

from bridle_audit.decay.text_table import format_table
from bridle_audit.decay.trials import COUPLED, DECOUPLED
from bridle_audit.decay.units import MEANINGS, UNITS, TrainingNumbers, Unit, find_unit
from bridle_audit.errors import InputError
from bridle_audit.scalars import is_number

__all__ = ["conversions", "convert_strength", "exactness"]

ALWAYS, SAME_OPTIMIZER = "exact", "exact with the same optimizer"
SGD_ONLY, NEVER = "exact with SGD only", "only what gradient descent would do"


def convert_strength(
    value: float,
    *,
    source: str,
    target: str,
    lr: float | None = None,
    peak_lr: float | None = None,
    batch_size: int | None = None,
    samples: int | None = None,
    momentum: float = 0.0,
) -> float:
    """Convert a strength: the number in ``target`` that shrinks weights as ``value`` does in ``source``, of UNITS.

    The same means: without a data gradient, a step of plain gradient descent takes the same share of every weight.
    Between two decoupled units that is all there is to it, and between two coupled ones (a penalty, or a weight_decay
    that is added to the gradient) as long as the optimizer is the same. From coupled to decoupled it is exact for SGD,
    with ``momentum``, that of the optimizer, in the long run. There is no exact conversion between a coupled decay in
    Adam, or any optimizer that divides by the size of the gradients, and a decoupled one: Adam makes of it about the
    learning rate per step, whatever the strength. ``peak_lr`` is ``lr`` unless given.

    >>> convert_strength(0.01, source="keras.L2", target="torch.SGD")
    0.02
    >>> convert_strength(0.1, source="torch.AdamW", target="composer.DecoupledAdamW", peak_lr=1e-3)
    0.0001
    >>> convert_strength(1e-4, source="sklearn.MLP", target="bridle.L2", batch_size=200)
    2.5e-07
    """
    given = TrainingNumbers(lr, peak_lr if peak_lr is not None else lr, batch_size, samples)
    check_numbers(value, given, momentum)
    one, other = (unit_for(name, given) for name in (source, target))
    decay = one.in_torch(value, given)
    if one.kind != other.kind and not (one.rescaled or other.rescaled):
        decay = decay / (1 - momentum) if one.kind == COUPLED else decay * (1 - momentum)
    return float(f"{other.from_torch(decay, given):.12g}")  # without the last digits' rounding


def check_numbers(value: float, given: TrainingNumbers, momentum: float) -> None:
    """Raise ``InputError`` for a strength or a number out of range."""
    if not is_number(value) or not value >= 0:
        raise InputError(f"a strength is a number from 0, got {value!r}")
    for name, each in given._asdict().items():
        if each is not None and not (is_number(each) and 0 < each < math.inf):
            raise InputError(f"{name}, {MEANINGS[name]}, must be greater than 0, got {each!r}")
    if not is_number(momentum) or not 0 <= momentum < 1:
        raise InputError(f"momentum must be in [0, 1), got {momentum!r}")


def unit_for(name: str, given: TrainingNumbers) -> Unit:
    """Return the unit of a name; ``InputError`` if there is none, or a number that it needs is missing."""
    found = find_unit(name)
    for each in found.needs:
        if getattr(given, each) is None:
            raise InputError(f"{found.name} needs {each}=, {MEANINGS[each]}: {found.formula}")
    return found


def exactness(source: str, target: str) -> str:
    """Return the optimizers for which a conversion is exact, as a phrase."""
    one, other = find_unit(source), find_unit(target)
    if one.kind == other.kind:
        return ALWAYS if one.kind == DECOUPLED else SAME_OPTIMIZER
    return NEVER if one.rescaled or other.rescaled else SGD_ONLY


@dataclass(frozen=True)
class Conversion:
    """A row of the table of conversions."""

    unit: Unit
    share: float  # of a weight, that the number takes per step when it is written here
    value: float  # that takes what the number takes in the source
    exact: str  # for which optimizers


class ConversionNumbers(TypedDict, total=False):
    """The numbers of a training that a table of conversions may be given."""

    lr: float
    peak_lr: float | None
    batch_size: int
    samples: int
    momentum: float


def conversion_table(
    value: float = 0.01,
    *,
    source: str = "torch.AdamW",
    lr: float = 1e-3,
    peak_lr: float | None = None,
    batch_size: int = 128,
    samples: int = 60_000,
    momentum: float = 0.0,
) -> list[Conversion]:
    """Return a row for each unit: the effect of the number there, and the number with its effect in ``source``."""

    def convert(one: str, other: str) -> float:
        return convert_strength(
            value,
            source=one,
            target=other,
            lr=lr,
            peak_lr=peak_lr,
            batch_size=batch_size,
            samples=samples,
            momentum=momentum,
        )

    return [
        Conversion(unit, convert(name, "share per step"), convert(source, name), exactness(source, name))
        for name, unit in UNITS.items()
    ]


def conversions(value: float = 0.01, *, source: str = "torch.AdamW", **numbers: Unpack[ConversionNumbers]) -> str:
    """Return the table of conversions as text; ``numbers`` are those that :func:`conversion_table` takes.

    >>> print(conversions(0.01, lr=1e-3).splitlines()[3])
    torch.AdamW                       w ← w - lr·v·w                              1e-05                    0.01  exact
    """
    columns = {
        "unit": True,
        "what v does in a step": True,
        f"lost per step at {value:g}": False,
        f"as {value:g} in {find_unit(source).name}": False,
        "conversion": True,
    }
    rows = [
        (
            each.unit.name,
            each.unit.formula,
            "(lr)" if each.unit.rescaled else f"{each.share:.3g}",
            f"{each.value:.3g}",
            each.exact,
        )
        for each in conversion_table(value, source=source, **numbers)
    ]
    return "\n".join(format_table(columns, rows))
