"""Checks of a regularizer at its off value, or, if it has none, that it acts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bridle.knobs import knobs
from bridle.places import Average, Batch, Layer, Loss, PassLoss, Stop, WeightLayer
from bridle.testing.assertions import holds, identical
from bridle.testing.calls import add_gradient, call_torch, call_vanilla, call_with, grid_knobs, packed, words
from bridle.testing.cases import PENALTIES, SEEDS, VARIANTS, Case, Leaf, cases
from bridle.testing.inputs import Inputs, arrays, as_stored, copied, second_pass, stacked


def check_off_is_identity(leaf: Leaf) -> None:
    """With any one knob at its off value, not a bit changes: alone, beside neighbours that are on, and on the way back.

    A penalty is then 0 with a gradient of 0, an average is the weights, and nothing stops.
    """
    off = [k for k in knobs(leaf) if k.off is not None]
    holds(off, f"{leaf.__name__} has no knob with an off value; it belongs to check_never_off")
    for case in cases(leaf):
        for declared in off:
            unit = leaf(**{**case.words, declared.name: declared.off})
            holds(unit.is_off, f"{unit}: is_off")
            for dtype in (np.float64, np.float32):
                for seed in (0, 7):
                    identity_at_off(case, unit, seed, dtype)


def identity_at_off(case: Case, unit: Any, seed: int, dtype: Any) -> None:
    """One unit that is off, in one precision."""
    what = f"{case.named(unit)} in {np.dtype(dtype)}"
    inputs = at_off(case, unit, seed).cast(dtype)
    vanilla = call_vanilla(case, unit, inputs)
    unchanged(case, inputs, vanilla.results, f"{what}: the NumPy form")
    unchanged(case, inputs, call_torch(case, unit, copied(inputs)), f"{what}: the PyTorch form")
    if case.kind in PENALTIES:
        holds(not any(gradient.any() for gradient in vanilla.gradients(1.0)), f"{what}: its gradient")
    if case.kind is Loss:
        g = torch.from_numpy(inputs.subjects[0].copy())
        identical(add_gradient(case, case.numbers(unit), g, copied(inputs))[0], g, f"{what}: add_gradient")
    if case.kind in (Layer, WeightLayer):
        first = inputs.subjects[0]
        identical(vanilla.gradients(first)[0], first, f"{what}: backward")
        identical(
            unit.evaluate(*packed(case, inputs.evaluated), **case.numbers(unit), **words(case)),
            first,
            f"{what}: evaluate",
        )
    off_beside_others(case, unit, dtype, what)


def at_off(case: Case, unit: Any, seed: int, variant: int = 0) -> Inputs:
    """Inputs for a unit that is off: where its second pass is the first once more, it says the same."""
    inputs = arrays(case, unit, seed, variant)
    if case.kind is PassLoss and not case.leaf.fresh_noise:
        x, beside = second_pass(case, seed)
        if unit.move(x, *beside, **case.numbers(unit)).tobytes() == x.tobytes():
            return inputs._replace(subjects=inputs.subjects[:1] * 2)
    return inputs


def off_beside_others(case: Case, unit: Any, dtype: Any, what: str) -> None:
    """One unit that is off, stacked with others that are not; for penalties on parameters, in their gradient form."""
    units = [unit, *case.units[1:]]
    alone = [[at_off(case, each, seed, variant) for variant, each in enumerate(units)] for seed in range(SEEDS)]
    given = copied(stacked(case, alone).cast(dtype)).each(as_stored)
    numbers = grid_knobs(case, units, dtype=given.subjects[0].dtype)
    if case.kind is Loss:
        g = given.subjects[0]
        identical(add_gradient(case, numbers, g, given)[0][:, 0], g[:, 0], f"{what}: add_gradient, stacked")
        return
    results = call_with(case, numbers, given)
    unchanged(case, given.each(lambda each: each[:, 0]), tuple(each[:, 0] for each in results), f"{what}, stacked")


def unchanged(case: Case, inputs: Inputs, results: tuple[Any, ...], what: str) -> None:
    """Check that the results are those of a regularizer that does nothing."""
    subjects = inputs.subjects
    if case.kind in PENALTIES:
        holds(not np.asarray(results[0]).any(), f"{what}: {results[0]}")
    elif case.kind is Stop:
        holds(not np.asarray(results[1]).any(), f"{what} stops")
    else:
        expected = {Batch: subjects, Average: [subjects[-1]] * 2}.get(case.kind, subjects[:1])
        for result, untouched in zip(results, expected, strict=False):
            identical(result, untouched, what)


def check_never_off(leaf: Leaf) -> None:
    """A regularizer that no knob switches off says so: it is absent, or it acts."""
    holds(all(k.off is None for k in knobs(leaf)), f"{leaf.__name__} has an off value; see check_off_is_identity")
    holds(not any(unit.is_off for case in cases(leaf) for unit in case.units), f"{leaf.__name__} claims to be off")
    tried = ((case, unit, seed) for case in cases(leaf) for unit in case.units for seed in range(VARIANTS))
    holds(any(acts(*each) for each in tried), f"{leaf.__name__} does nothing")


def acts(case: Case, unit: Any, seed: int) -> bool:
    """Return True if the results differ from those of a regularizer that does nothing."""
    inputs = arrays(case, unit, seed)
    try:
        unchanged(case, inputs, call_vanilla(case, unit, inputs).results, "")
    except AssertionError:
        return True
    return False
