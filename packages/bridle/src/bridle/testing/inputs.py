"""The arguments of a formula in a case: arrays as they come, at the edges, stacked, and as tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bridle.places import Draw
from bridle.seeded_draws import TICKS, Noise, normal_quantiles
from bridle.testing.cases import CLASSES, ROWS, UNITS, Case, Shape

__all__ = [
    "EDGES",
    "Inputs",
    "draw_inputs",
    "edge_inputs",
    "in_engine_layout",
    "run_noise",
    "second_pass",
    "stack_inputs",
    "to_tensors",
    "to_tensors_alike",
]

LEVELS = {"uniform": np.arange(TICKS) / TICKS, "normal": normal_quantiles()}  # of noise


class Inputs(NamedTuple):
    """The positional arguments of a formula, in order: arrays or tensors."""

    subjects: list[Any]
    noise: list[Any]
    extra: list[Any]
    parameters: list[Any]
    state: list[Any]

    @property
    def all(self) -> list[Any]:
        """One after the other."""
        return [each for part in self for each in part]

    @property
    def evaluated(self) -> list[Any]:
        """The arguments of the evaluation form."""
        return [*self.subjects, *self.parameters, *self.state]

    def each(self, change: Callable[[Any], Any]) -> Inputs:
        """All of them changed."""
        return Inputs(*([change(each) for each in part] for part in self))

    def cast(self, dtype: Any) -> Inputs:
        """Round the inputs to arrays of another dtype."""
        return self.each(lambda each: np.asarray(each).astype(dtype))


def draw_inputs(
    case: Case, unit: object, seed: int = 0, variant: int = 0, *, given: Sequence[np.ndarray] = ()
) -> Inputs:
    """The arguments of both forms for one variant, in float64: the noise is its seed's, all else its own.

    ``given`` are subjects in place of the usual ones.
    """
    random = np.random.default_rng([seed, variant])
    first = list(given) or typical_subjects(case, random, seed)
    noise = run_noise(case.leaf.noise, case.shapes[0], seed) if "*noise" in case.arrays else []
    wanted = draw_extra_inputs(case, unit, first, random)
    parameters = [draw_parameter(case, start, random) for start in case.leaf.parameters.values()]
    if case.leaf.place == "stop":
        state = stopping_state(case, unit, epochs=seed + variant)
    else:
        state = [draw_parameter(case, start, random) for start in case.leaf.state]
    return Inputs(first, noise, wanted, parameters, state)


def typical_subjects(case: Case, random: np.random.Generator, seed: int) -> list[np.ndarray]:
    """Subjects as they come."""
    found = [np.asarray(random.normal(size=shape)) for shape in case.shapes]
    if case.leaf.place == "stop":
        return [draw_score(case, random)]
    if case.leaf.place == "batch" and case.shapes[1][1] > 1:  # labels, or what another regularizer has made of them
        found[1] = np.eye(CLASSES)[found[1].argmax(1)] if seed % 2 else probabilities(found[1])
    return found


def draw_score(case: Case, random: np.random.Generator) -> np.ndarray:
    """Draw a score to stop by: a loss, or the negative of a metric."""
    return np.asarray(random.uniform() - case.units[0].watches_metric)


def probabilities(z: np.ndarray) -> np.ndarray:
    """Logits (rows, classes) as probabilities."""
    exponentials = np.exp(z)
    return np.asarray(exponentials / exponentials.sum(1, keepdims=True))


def run_noise(draws: Sequence[Draw], subject: Shape, seed: int) -> list[np.ndarray]:
    """Noise as a run with this seed draws it."""
    stream = Noise(seed)
    ticks = [stream.ticks(stream_id, *draw.shape(subject)) for stream_id, draw in enumerate(draws)]
    return [LEVELS[draw.kind][each] for draw, each in zip(draws, ticks, strict=True)]


def draw_extra_inputs(case: Case, unit: Any, first: list[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """The arrays that the formula asks for."""
    if case.has("measure"):
        return [norm_of_all(unit.measure(*first, **case.numbers(unit)))]
    found = []
    for name in case.leaf.extra_inputs if "*extra_inputs" in case.arrays else ():
        if name == "norm":
            found.append(norm_of_all(first[0]))
        elif name == "prediction":
            z = random.normal(size=case.shapes[1])
            found.append(probabilities(z) if z.shape[1] > 1 else z)
        elif name != "fan_in":  # which is no array, see call_with
            found.append(random.normal(size=case.shapes[0]))
    return found


def norm_of_all(one: np.ndarray) -> np.ndarray:
    """The length of several parameters' gradients together, of which this is one."""
    return np.asarray(1.5 * np.linalg.norm(one))


def draw_parameter(case: Case, start: Any, random: np.random.Generator) -> np.ndarray:
    """A parameter or state somewhere along the way from its start: what starts positive stays positive."""
    if callable(start):  # of the weight: then as it starts for another weight
        return np.asarray(start(random.normal(size=case.matrix)))
    per_unit = case.arrays[0] == "h"
    one = case.shapes[0][1] if per_unit else case.matrix[0]
    shape = (one,) if per_unit and not case.leaf.maps else (one, 1, 1)
    return start * random.uniform(0.5, 1.5, shape) if start else random.normal(size=shape)


def stopping_state(case: Case, unit: Any, epochs: int) -> list[np.ndarray]:
    """Return the state of early stopping after so many epochs."""
    random = np.random.default_rng(9)
    state = [np.asarray(float(start)) for start in case.leaf.state]
    for _ in range(epochs if state else 0):
        *_, new = unit.vanilla(draw_score(case, random), *unit.pack(state), **case.numbers(unit), **case.keywords)
        state = [np.asarray(each) for each in new]
    return state


def second_pass(case: Case, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """A batch (rows, features), and what a penalty is given to move it: the slope, or noise."""
    random = np.random.default_rng([seed, 3])
    x, slope = random.normal(size=(2, ROWS, UNITS))
    return x, [slope] if "slope" in case.leaf.extra_inputs else run_noise(case.leaf.noise, x.shape, seed)


def stack_inputs(case: Case, alone: list[list[Inputs]], *, shared: bool = False) -> Inputs:
    """The arguments of all variants (seeds, variants, ...), each with the subject's axes; noise has one variant.

    ``shared``: so have the subjects.
    """

    def together(part: str, number: int) -> np.ndarray:
        one = part == "noise" or (shared and part == "subjects")
        grid = [[getattr(each, part)[number] for each in (row[:1] if one else row)] for row in alone]
        aligned = [[each[(None,) * (case.axes + case.lead - each.ndim)] for each in row] for row in grid]
        return np.stack([np.stack(row, case.lead) for row in aligned], case.lead)

    return Inputs(*([together(part, n) for n in range(len(getattr(alone[0][0], part)))] for part in Inputs._fields))


def to_tensors(inputs: Inputs, dtype: torch.dtype = torch.float64, device: str = "cpu") -> Inputs:
    """Copy the inputs to tensors; noise to float32 at least, since bfloat16 would round a rate to 1/256."""
    exact = torch.promote_types(dtype, torch.float32)
    made = inputs.each(lambda each: torch.tensor(each, dtype=dtype, device=device))
    return made._replace(noise=[torch.tensor(each, dtype=exact, device=device) for each in inputs.noise])


def in_engine_layout(tensor: Tensor) -> Tensor:
    """(seeds, variants, ...), the same values, but in memory as the engine keeps them: variants inmost."""
    if tensor.ndim < 3:
        return tensor
    return tensor.movedim(1, 2).contiguous().movedim(2, 1)


def edge_inputs(case: Case, unit: object) -> Iterator[tuple[str, Inputs]]:
    """Inputs at which formulas break: those of a dead network, of a dying and a diverging one, and extreme noise."""
    plain = draw_inputs(case, unit)
    for name, make in EDGES.items():
        first = make(case.shapes[0])
        beside = [first, -first] if case.leaf.place != "batch" else plain.subjects[1:]  # targets cannot be any numbers
        for given in [[first, second] for second in beside] if len(case.shapes) > 1 else [[first]]:
            yield name, draw_inputs(case, unit, given=given)
        for number, each in enumerate(plain.extra):
            if each.shape == case.shapes[0]:
                changed = [*plain.extra[:number], make(each.shape), *plain.extra[number + 1 :]]
                yield f"{name} asked for", plain._replace(extra=changed)
    for name, end in (("lowest noise", 0), ("highest noise", -1)):
        kinds = [draw.kind for draw in case.leaf.noise][: len(plain.noise)]
        noise = [np.full(each.shape, LEVELS[kind][end]) for kind, each in zip(kinds, plain.noise, strict=True)]
        yield name, plain._replace(noise=noise)


def signs(shape: Shape) -> np.ndarray:
    """Some 1, some -1."""
    return np.where(np.random.default_rng(1).uniform(size=shape) < 0.5, -1.0, 1.0)


def columns(shape: Shape) -> np.ndarray:
    """Alike in all rows, different in each column."""
    if len(shape) < 2:
        return np.full(shape, -2.0)
    return np.zeros(shape) + np.linspace(-2.0, 2.0, shape[1]).reshape(-1, *[1] * (len(shape) - 2))


EDGES: dict[str, Callable[[Shape], np.ndarray]] = {
    "zeros": np.zeros,
    "1e-30": lambda shape: signs(shape) * 1e-30,
    "1e30": lambda shape: signs(shape) * 1e30,
    "constant columns": columns,
    "a constant": lambda shape: np.full(shape, 0.3),
    "a huge constant": lambda shape: np.full(shape, 2.0**100),  # a power of two: its mean is exact in any order
}


def to_tensors_alike(inputs: Inputs) -> Inputs:
    """Copy the inputs to tensors of the same precision."""
    return inputs.each(lambda each: torch.from_numpy(np.array(each)))
