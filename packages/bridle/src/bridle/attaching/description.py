"""What acts where, in words: the log that ``print(handle)`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridle.attaching.acts import Act
from bridle.attaching.assembly import Assembly
from bridle.attaching.averages import Averages
from bridle.attaching.targets import Averaged, Bucket
from bridle.places import Batch, Ensemble, OutputLoss, PassLoss, Stop
from bridle.regularizers import WeightDecay
from bridle.schedules import PerLayer

BY_NATURE: dict[type[Any], str] = {
    Batch: "on each batch, by handle.batch(x, y)",
    OutputLoss: "on the outputs, by handle.penalty()",
    PassLoss: "on two passes of each batch, by handle.penalty()",
    Ensemble: "on whole copies of the model, by handle.averaged()",
    Stop: "on the validation scores, by handle.stop(valid_loss)",
}


def described(parts: Assembly) -> str:
    """One line for each regularizer, one for what does not decay, one for each note."""
    lines = [f"{unit!r}: {'; '.join(places_of(parts, unit)) or 'nowhere'}" for unit in parts.recipe]
    if any(isinstance(unit, WeightDecay) for unit in parts.recipe):
        lines.append(f"no decay: {', '.join(undecayed(parts)) or 'nothing'}")
    return "\n".join(lines + [f"note: {note}" for note in parts.notes]) or "none"


def places_of(parts: Assembly, unit: Any) -> list[str]:
    """Where a regularizer acts."""
    in_groups = [each.name for each, chosen in parts.in_groups.items() if chosen == unit]
    by_optimizer = [f"on {', '.join(in_groups)}, by the optimizer itself"] if in_groups else []
    named: dict[str, list[str]] = {}
    for whose, where, name in parts.log:
        if whose == unit:
            named.setdefault(where, []).append(name)
    acts: list[Act | Averages] = [*parts.penalties, *parts.climbs, *parts.gradients, *parts.before, *parts.behind]
    on_parameters = [of_buckets(parts, unit, act.buckets) for act in (*acts, *parts.averages) if act.unit == unit]
    by_nature = [words for kind, words in BY_NATURE.items() if isinstance(unit, kind)]
    return [
        *by_optimizer,
        *(f"{where} {', '.join(names)}" for where, names in named.items()),
        *on_parameters,
        *by_nature,
    ]


def of_buckets(parts: Assembly, unit: Any, buckets: Sequence[Bucket[Any]]) -> str:
    """What a regularizer acts on, with its numbers where these differ."""
    if not any(isinstance(value, PerLayer) for value in unit.settings(numbers=True).values()):
        return f"on {names(parts, [each for bucket in buckets for each in bucket.targets])}"
    texts = []
    for bucket in buckets:
        numbers = unit.numbers(*bucket.targets[0].described.names)
        texts.append(f"{', '.join(f'{k}={v:g}' for k, v in numbers.items())} on {names(parts, bucket.targets)}")
    return "; ".join(texts)


def names(parts: Assembly, targets: Sequence[Averaged]) -> str:
    """Names in the order of the model, and in a word where all parameters are among them, or running statistics."""
    chosen = {each.name for each in targets}
    found = [each.name for each in parts.targets if each.name in chosen]
    words = "all parameters" if len(found) == len(parts.targets) else ", ".join(found)
    return words if len(found) == len(targets) else f"{words} and running statistics"


def undecayed(parts: Assembly) -> list[str]:
    """The parameters that are trained and that no weight decay of the recipe acts on."""
    decayed = {each.name for _, each in parts.decays()}
    return [each.name for each in parts.targets if each.name not in decayed]
