"""Checks of a regularizer at its off value, or, if it has none, that it acts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bridle.knobs import knobs
from bridle.testing.assertions import assert_identical, require
from bridle.testing.cases import SEEDS, VARIANTS, Case, Leaf, cases
from bridle.testing.formula_calls import (
    add_gradient,
    call_torch,
    call_vanilla,
    call_with,
    grid_knobs,
    packed,
    word_options,
)
from bridle.testing.inputs import Inputs, draw_inputs, in_engine_layout, second_pass, stack_inputs, to_tensors_alike

__all__ = ["check_never_off", "check_off_is_identity"]


def check_off_is_identity(leaf: Leaf) -> None:
    """With any one knob at its off value, not a bit changes: alone, beside neighbours that are on, and on the way back.

    A penalty is then 0 with a gradient of 0, an average is the weights, and nothing stops.
    """
    off = [k for k in knobs(leaf) if k.off is not None]
    require(off, f"{leaf.__name__} has no knob with an off value; it belongs to check_never_off")
    for case in cases(leaf):
        for declared in off:
            unit = leaf(**{**case.words, declared.name: declared.off})
            require(unit.is_off, f"{unit}: is_off")
            for dtype in (np.float64, np.float32):
                for seed in (0, 7):
                    check_identity(case, unit, seed, dtype)


def check_identity(case: Case, unit: Any, seed: int, dtype: Any) -> None:
    """One unit that is off, in one precision."""
    what = f"{case.named(unit)} in {np.dtype(dtype)}"
    inputs = draw_inputs_at_off(case, unit, seed).cast(dtype)
    vanilla = call_vanilla(case, unit, inputs)
    check_unchanged(case, inputs, vanilla.results, f"{what}: the NumPy form")
    check_unchanged(case, inputs, call_torch(case, unit, to_tensors_alike(inputs)), f"{what}: the PyTorch form")
    if case.leaf.place == "loss":
        require(not any(gradient.any() for gradient in vanilla.gradients(1.0)), f"{what}: its gradient")
    if case.has("add_gradient"):
        g = torch.from_numpy(inputs.subjects[0].copy())
        assert_identical(
            add_gradient(case, case.numbers(unit), g, to_tensors_alike(inputs))[0], g, f"{what}: add_gradient"
        )
    if case.has("evaluate"):
        first = inputs.subjects[0]
        assert_identical(vanilla.gradients(first)[0], first, f"{what}: backward")
        assert_identical(
            unit.evaluate(*packed(case, inputs.evaluated), **case.numbers(unit), **word_options(case)),
            first,
            f"{what}: evaluate",
        )
    check_identity_in_stack(case, unit, dtype, what)


def draw_inputs_at_off(case: Case, unit: Any, seed: int, variant: int = 0) -> Inputs:
    """Inputs for a unit that is off: where its second pass is the first once more, it says the same."""
    inputs = draw_inputs(case, unit, seed, variant)
    if case.has("move") and not case.leaf.fresh_noise:
        x, beside = second_pass(case, seed)
        if unit.move(x, *beside, **case.numbers(unit)).tobytes() == x.tobytes():
            return inputs._replace(subjects=inputs.subjects[:1] * 2)
    return inputs


def check_identity_in_stack(case: Case, unit: object, dtype: object, what: str) -> None:
    """One unit that is off, stacked with others that are not; for penalties on parameters, in their gradient form."""
    units = [unit, *case.units[1:]]
    alone = [
        [draw_inputs_at_off(case, each, seed, variant) for variant, each in enumerate(units)] for seed in range(SEEDS)
    ]
    given = to_tensors_alike(stack_inputs(case, alone).cast(dtype)).each(in_engine_layout)
    numbers = grid_knobs(case, units, dtype=given.subjects[0].dtype)
    if case.has("add_gradient"):
        g = given.subjects[0]
        assert_identical(add_gradient(case, numbers, g, given)[0][:, 0], g[:, 0], f"{what}: add_gradient, stacked")
        return
    results = call_with(case, numbers, given)
    check_unchanged(
        case, given.each(lambda each: each[:, 0]), tuple(each[:, 0] for each in results), f"{what}, stacked"
    )


def check_unchanged(case: Case, inputs: Inputs, results: tuple[Any, ...], what: str) -> None:
    """Check that the results are those of a regularizer that does nothing."""
    subjects = inputs.subjects
    if case.leaf.place == "loss":
        require(not np.asarray(results[0]).any(), f"{what}: {results[0]}")
    elif case.leaf.place == "stop":
        require(not np.asarray(results[1]).any(), f"{what} stops")
    else:
        expected = {"x": subjects, "a": [subjects[-1]] * 2}.get(case.arrays[0], subjects[:1])
        for result, untouched in zip(results, expected, strict=False):
            assert_identical(result, untouched, what)


def check_never_off(leaf: Leaf) -> None:
    """A regularizer that no knob switches off says so: it is absent, or it acts."""
    require(all(k.off is None for k in knobs(leaf)), f"{leaf.__name__} has an off value; see check_off_is_identity")
    require(not any(unit.is_off for case in cases(leaf) for unit in case.units), f"{leaf.__name__} claims to be off")
    tried = ((case, unit, seed) for case in cases(leaf) for unit in case.units for seed in range(VARIANTS))
    require(any(changes_results(*each) for each in tried), f"{leaf.__name__} does nothing")


def changes_results(case: Case, unit: object, seed: int) -> bool:
    """Return True if the results differ from those of a regularizer that does nothing."""
    inputs = draw_inputs(case, unit, seed)
    try:
        check_unchanged(case, inputs, call_vanilla(case, unit, inputs).results, "")
    except AssertionError:
        return True
    return False
