"""The checks that belong to some places, and which apply to a regularizer."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knobs
from bridle.places import (
    ActivityLoss,
    Ascent,
    Average,
    Batch,
    Ensemble,
    Gradient,
    Layer,
    Loss,
    OutputLoss,
    PassLoss,
    Stop,
    Weight,
    WeightLayer,
)
from bridle.testing.assertions import Check, assert_close, assert_identical, for_every_case, require
from bridle.testing.cases import ROWS, SEEDS, STEPS, Case, Leaf
from bridle.testing.formula_calls import add_gradient, call_torch, call_vanilla, call_with, grid_knobs
from bridle.testing.gradients import check_add_gradient, check_hand_gradient
from bridle.testing.inputs import (
    EDGES,
    Inputs,
    draw_inputs,
    in_engine_layout,
    run_noise,
    second_pass,
    stack_inputs,
    to_tensors,
)
from bridle.testing.layer_checks import (
    check_evaluation_agrees,
    check_gradient_by_hand,
    check_initial_values_agree,
    check_module_agrees,
)
from bridle.testing.numerical_checks import EVERYWHERE
from bridle.testing.off_checks import check_never_off, check_off_is_identity

__all__ = ["numerical_checks"]

SCORES = (0.9, 0.7, 0.5, 0.3, 0.1, 0.1, math.nan, math.inf, *[0.5] * 30)  # better, alike, gone astray, worse
NAN_AT = 6


@for_every_case
def check_shared_subjects(case: Case) -> None:
    """Subjects (seeds, 1, ...), which all variants of a seed share, become what each makes of them alone."""
    units = case.units
    alone = [[draw_inputs(case, unit, seed, variant) for variant, unit in enumerate(units)] for seed in range(SEEDS)]
    alone = [[each._replace(subjects=row[0].subjects) for each in row] for row in alone]
    together = call_with(case, grid_knobs(case, units), to_tensors(stack_inputs(case, alone, shared=True)))
    for seed in range(SEEDS):
        for variant, unit in enumerate(units):
            for ours, one in zip(together, call_torch(case, unit, to_tensors(alone[seed][variant])), strict=True):
                every = ours.expand(SEEDS, len(units), *ours.shape[2:])[seed, variant]
                assert_close(every.reshape(one.shape), one, what=f"{case.named(unit)}, of subjects (seeds, 1, ...)")


@for_every_case
def check_out_is_written(case: Case) -> None:
    """A formula that takes ``out`` writes the very same there, the changed array itself included, alone and stacked."""
    units = case.units
    alone = [[draw_inputs(case, unit, seed, variant) for variant, unit in enumerate(units)] for seed in range(SEEDS)]
    for unit in units:
        check_in_place(case, case.numbers(unit), to_tensors(draw_inputs(case, unit)), case.named(unit))
    together = to_tensors(stack_inputs(case, alone)).each(in_engine_layout)
    check_in_place(case, grid_knobs(case, units), together, f"{case.named(units[0])}, stacked")


def check_in_place(case: Case, numbers: dict[str, Any], given: Inputs, what: str) -> None:
    """One set of inputs, out of place and in place."""

    def call(changed: Tensor, **out: Tensor) -> Tensor:
        if case.has("add_gradient"):
            return add_gradient(case, numbers, changed, given, **out)[0]
        return call_with(case, numbers, given._replace(subjects=[changed]), **out)[0]

    first = given.subjects[0]
    changed = first.flip(-1) if case.has("add_gradient") else first.clone()
    expected, target = call(changed), torch.full_like(first, torch.nan)
    for out in (target, changed):
        returned = call(changed, out=out)
        require(returned is out, f"{what}: with out= it returns something else")
        assert_identical(out, expected, f"{what} with out=")


@for_every_case
def check_second_pass(case: Case) -> None:
    """``move`` and ``probe`` give the same for NumPy, tensors and stacks, and finite where there is no slope."""
    if case.leaf.fresh_noise:
        require(case.leaf.move is PassLoss.move, f"{case.leaf.__name__}: under fresh noise the batch stays")
        return
    require(case.leaf.move is not PassLoss.move, f"{case.leaf.__name__}: the second pass is the first once more")
    x, beside = second_pass(case)
    check_passes_agree(case, "move", x, beside)
    if "slope" in case.leaf.extra_inputs:
        check_passes_agree(case, "probe", x, run_noise(case.leaf.noise, x.shape, seed=0))
        for make in EDGES.values():
            check_passes_agree(case, "move", x, [make(x.shape)])


def check_passes_agree(case: Case, form: str, x: np.ndarray, beside: list[np.ndarray]) -> None:
    """One way to another batch, with its slope or noise beside it."""
    units, given = case.units, [x, *beside]
    before = [each.tobytes() for each in given]
    grid = [torch.from_numpy(each)[None, None] for each in given]
    together = getattr(units[0], form)(*grid, **grid_knobs(case, units)).expand(1, len(units), *x.shape)
    for variant, unit in enumerate(units):
        move, what = functools.partial(getattr(unit, form), **case.numbers(unit)), f"{case.named(unit)}: {form}"
        moved = move(*given)
        require(np.isfinite(moved).all(), f"{what} is not finite")
        assert_close(move(*map(torch.from_numpy, given)), moved, what=what)
        assert_close(together[0, variant], moved, what=f"{what}, stacked")
        require(move(*(each.astype(np.float32) for each in given)).dtype == np.float32, f"{what} in float32")
    require([each.tobytes() for each in given] == before, f"{case.leaf.__name__}: {form} changes its input")


@for_every_case
def check_measure_agrees(case: Case) -> None:
    """``measure`` gives the same for NumPy, tensors and stacks, in the shape of the parameter."""
    units = case.units
    alone = [[draw_inputs(case, unit, seed, variant) for variant, unit in enumerate(units)] for seed in range(SEEDS)]
    together = units[0].measure(*to_tensors(stack_inputs(case, alone)).subjects, **grid_knobs(case, units))
    for seed in range(SEEDS):
        for variant, unit in enumerate(units):
            inputs, numbers = alone[seed][variant], case.numbers(unit)
            measured = unit.measure(*inputs.subjects, **numbers)
            require(measured.shape == case.shapes[0], f"{case.named(unit)}: measure gives {measured.shape}")
            assert_close(
                unit.measure(*to_tensors(inputs).subjects, **numbers), measured, what=f"{case.named(unit)}: measure"
            )
            assert_close(together[seed, variant], measured, what=f"{case.named(unit)}: measure, stacked")


@for_every_case
def check_batch_stays_a_batch(case: Case) -> None:
    """Rows and targets keep their shapes, and the probabilities of a row stay probabilities."""
    for seed, unit in enumerate(case.units):
        inputs = draw_inputs(case, unit, seed)
        for form in (call_vanilla(case, unit, inputs).results, call_torch(case, unit, to_tensors(inputs))):
            x, y = map(np.asarray, form)
            require((x.shape, y.shape) == case.shapes, f"{case.named(unit)}: a batch of {x.shape} and {y.shape}")
            if y.shape[1] > 1:
                assert_close(y.sum(1), np.ones(ROWS), what=f"{case.named(unit)}: probabilities of a row")
                require(y.min() >= 0, f"{case.named(unit)}: a probability of {y.min()}")


@for_every_case
def check_weights_move_as_declared(case: Case) -> None:
    """An average leaves the weights as they are, unless it says that it moves them."""
    for unit in case.units:
        inputs = draw_inputs(case, unit)
        _, w = call_torch(case, unit, to_tensors(inputs))
        if not case.leaf.moves_weights:
            assert_identical(w, inputs.subjects[1], f"{case.named(unit)} moves the weights and does not say so")


@for_every_case
def check_copies_are_taken(case: Case) -> None:
    """Whatever the number of steps, an ensemble takes a copy, and the schedule it warps stays within its bounds.

    Copies that agree predict what each predicts.
    """
    for unit in case.units:
        for steps in (1, 7, STEPS):
            taken = [unit.takes(step, steps) for step in range(steps)]
            require(any(taken), f"{unit} takes no copy in {steps} steps")
            for step in range(steps):
                within, length = unit.warped(step, steps)
                require(0 <= within < length <= steps, f"{unit}: step {step} of {steps} is told {within} of {length}")
        (z,) = draw_inputs(case, unit).all
        alike = np.broadcast_to(z[:1], z.shape)
        predicted = call_torch(case, unit, Inputs([torch.tensor(alike)], [], [], [], []))[0]
        if z.shape[-1] > 1:
            assert_close(
                predicted.softmax(-1), torch.tensor(z[0]).softmax(-1), what=f"{unit}: the prediction of equal copies"
            )
        else:
            assert_close(predicted, z[0], what=f"{unit}: the prediction of equal copies")


@for_every_case
def check_stop_decisions(case: Case) -> None:
    """Epoch after epoch both forms say the same, in zeros and ones, of plain numbers too; what is off never stops.

    The first score improves; one that is not a number does not.
    """
    for unit in case.units:
        improved, _ = stop_decisions(case, unit)
        require(improved[0], f"{unit}: the first epoch is the best so far")
        require(not improved[NAN_AT], f"{unit}: a score that is not a number is no improvement")
    for declared in knobs(case.leaf):
        if declared.off is not None:
            unit = case.leaf(**{**case.words, declared.name: declared.off})
            require(not any(stop_decisions(case, unit)[1]), f"{unit} stops")


def stop_decisions(case: Case, unit: Any) -> tuple[list[bool], list[bool]]:
    """For each of many epochs, whether it improved and whether it stops."""
    found = []
    ours: list[Any] = [*unit.state]
    theirs = [torch.tensor(start, dtype=torch.float64) for start in ours]
    for number in SCORES:
        score = number - unit.watches_metric
        inputs = Inputs([score], [], [], [], ours)
        improved, stop, *ours = call_vanilla(case, unit, inputs).results
        results = call_torch(case, unit, Inputs([torch.tensor(score, dtype=torch.float64)], [], [], [], theirs))
        assert_close(torch.stack(results), [float(each) for each in (improved, stop, *ours)], what=f"{unit} at {score}")
        require({float(improved), float(stop)} <= {0.0, 1.0}, f"{unit}: improved {improved}, stop {stop}")
        theirs = [*results[2:]]
        found.append((bool(improved), bool(stop)))
    return [improved for improved, _ in found], [stop for _, stop in found]


CHECKS_BY_PLACE: dict[type[Any], tuple[Check, ...]] = {
    Batch: (check_batch_stays_a_batch, check_shared_subjects),
    Layer: (
        check_hand_gradient,
        check_gradient_by_hand,
        check_evaluation_agrees,
        check_shared_subjects,
        check_module_agrees,
    ),
    WeightLayer: (check_hand_gradient, check_evaluation_agrees, check_initial_values_agree),
    Loss: (check_hand_gradient, check_add_gradient, check_out_is_written, check_initial_values_agree),
    ActivityLoss: (check_hand_gradient,),
    OutputLoss: (check_hand_gradient,),
    PassLoss: (check_hand_gradient, check_second_pass),
    Gradient: (check_out_is_written,),  # from here on nothing flows back: no gradient to check
    Ascent: (check_measure_agrees,),
    Weight: (check_out_is_written,),
    Average: (check_weights_move_as_declared,),
    Ensemble: (check_copies_are_taken,),
    Stop: (check_stop_decisions,),
}


def numerical_checks(leaf: Leaf) -> tuple[Check, ...]:
    """The checks that apply to a regularizer, by its place and by whether it has an off value."""
    off = check_off_is_identity if any(k.off is not None for k in knobs(leaf)) else check_never_off
    return (*EVERYWHERE, off, *next(checks for kind, checks in CHECKS_BY_PLACE.items() if issubclass(leaf, kind)))
