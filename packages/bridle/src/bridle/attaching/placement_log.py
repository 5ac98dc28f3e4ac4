"""The log of placements, which regularizer acts where: the text of ``print(handle)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridle.attaching.assembly import Assembly
from bridle.attaching.averages import WeightAverages
from bridle.attaching.parameter_buckets import ParameterBucket
from bridle.attaching.parameter_ops import ParameterOp
from bridle.attaching.trained_parameters import AveragedTensor
from bridle.recipe import Regularizer
from bridle.regularizers import WeightDecay
from bridle.schedules import PerLayer

__all__ = ["describe_placements"]


def describe_placements(parts: Assembly) -> str:
    """Return a line for each regularizer, one for undecayed parameters, and one for each note."""
    lines = [f"{unit!r}: {'; '.join(placements_of(parts, unit)) or 'nowhere'}" for unit in parts.recipe]
    if any(isinstance(unit, WeightDecay) for unit in parts.recipe):
        lines.append(f"no decay: {', '.join(undecayed(parts)) or 'nothing'}")
    return "\n".join(lines + [f"note: {note}" for note in parts.notes]) or "none"


def placements_of(parts: Assembly, unit: Regularizer) -> list[str]:
    """Return descriptions of the places where a regularizer acts."""
    in_groups = [each.name for each, chosen in parts.optimizer_decays.items() if chosen == unit]
    by_optimizer = [f"on {', '.join(in_groups)}, by the optimizer itself"] if in_groups else []
    named: dict[str, list[str]] = {}
    for whose, where, name in parts.placements:
        if whose == unit:
            named.setdefault(where, []).append(name)
    ops: list[ParameterOp[Any] | WeightAverages] = [*parts.parameter_ops, *parts.averages]
    on_parameters = [bucket_placements(parts, unit, op.buckets) for op in ops if op.unit == unit]
    return [
        *by_optimizer,
        *(f"{where} {', '.join(names)}" for where, names in named.items()),
        *on_parameters,
        *placements_by_call(unit),
    ]


def placements_by_call(unit: Regularizer) -> list[str]:
    """Return descriptions of what a regularizer acts on where the loop must call the handle for it."""
    acts = {
        "on each batch, by handle.batch(x, y)": unit.place == "batch",
        "on the outputs, by handle.penalty()": unit.on_outputs and not unit.second_pass,
        "on two passes of each batch, by handle.penalty()": unit.on_outputs and unit.second_pass,
        "on whole copies of the model, by handle.averaged()": unit.several_networks,
        "on the validation scores, by handle.stop(valid_loss)": unit.place == "stop",
    }
    return [where for where, it_does in acts.items() if it_does]


def bucket_placements(parts: Assembly, unit: Regularizer, buckets: Sequence[ParameterBucket[Any]]) -> str:
    """Return the parameters that a regularizer acts on, with its knobs where these differ."""
    if not any(isinstance(value, PerLayer) for value in unit.settings(numbers=True).values()):
        return f"on {parameter_names(parts, [each for bucket in buckets for each in bucket.parameters])}"
    texts = []
    for bucket in buckets:
        numbers = unit.numbers(*bucket.parameters[0].described.names)
        texts.append(
            f"{', '.join(f'{k}={v:g}' for k, v in numbers.items())} on {parameter_names(parts, bucket.parameters)}"
        )
    return "; ".join(texts)


def parameter_names(parts: Assembly, parameters: Sequence[AveragedTensor]) -> str:
    """Return names in the model's order, or "all parameters", with "running statistics" if buffers are included."""
    chosen = {each.name for each in parameters}
    found = [each.name for each in parts.parameters if each.name in chosen]
    words = "all parameters" if len(found) == len(parts.parameters) else ", ".join(found)
    return words if len(found) == len(parameters) else f"{words} and running statistics"


def undecayed(parts: Assembly) -> list[str]:
    """Return the trained parameters that no weight decay of the recipe acts on."""
    decayed = {each.name for _, each in parts.decays()}
    return [each.name for each in parts.parameters if each.name not in decayed]
