"""The numerical checks that every regularizer must pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from bridle.testing.assertions import Check, assert_close, assert_near, for_every_case, require
from bridle.testing.cases import SEEDS, VARIANTS, Case
from bridle.testing.formula_calls import (
    add_gradient,
    call_torch,
    call_vanilla,
    call_with,
    grid_knobs,
    knob_tensors,
    packed,
    word_options,
)
from bridle.testing.gradients import gradients_of, require_grad, result_gradient, with_gradients
from bridle.testing.inputs import (
    Inputs,
    draw_inputs,
    edge_inputs,
    in_engine_layout,
    stack_inputs,
    to_tensors,
    to_tensors_alike,
)

__all__ = ["EVERYWHERE"]


@for_every_case
def check_forms_agree(case: Case) -> None:
    """The NumPy form and the PyTorch form give the same results, in the same shapes."""
    for seed, unit in enumerate(case.units):
        inputs, what = draw_inputs(case, unit, seed), case.named(unit)
        ours, theirs = call_vanilla(case, unit, inputs).results, call_torch(case, unit, to_tensors(inputs))
        require(len(ours) == len(theirs), f"{what}: {len(ours)} results in NumPy, {len(theirs)} in torch")
        for one, other in zip(ours, theirs, strict=True):
            require(np.shape(one) == tuple(other.shape), f"{what}: {np.shape(one)} in NumPy, {other.shape} in torch")
            assert_close(one, other, what=what)
        for state, new in zip(inputs.state, theirs[len(theirs) - len(inputs.state) :], strict=True):
            require(state.shape == new.shape, f"{what}: a state of {state.shape} is returned as {new.shape}")


class WithoutTorch(TorchFunctionMode):
    """Within, whatever torch is asked to do fails."""

    def __torch_function__(self, function: object, types: object, args: object = (), kwargs: object = None) -> Any:
        raise AssertionError(f"the NumPy form uses {function}")


@for_every_case
def check_vanilla_runs_without_torch(case: Case) -> None:
    """The NumPy form computes with NumPy, down to its helpers, and so does its way back."""
    for unit in case.units[:1]:
        inputs = draw_inputs(case, unit)
        g = result_gradient(case, unit, inputs)
        with WithoutTorch():
            vanilla = call_vanilla(case, unit, inputs)
            if vanilla.backward:
                vanilla.backward(g)


@for_every_case
def check_stacked_by_vmap(case: Case) -> None:
    """``torch.func.vmap`` over variants, each with its own knobs, gives what each gives alone, gradients too."""
    units = case.units
    alone = [draw_inputs(case, unit, variant, variant) for variant, unit in enumerate(units)]

    def one(given: Inputs, numbers: dict[str, Tensor]) -> tuple[Tensor, ...]:
        return call_with(case, numbers, Inputs(*given))

    parts = zip(*map(to_tensors, alone), strict=True)
    together = Inputs(*([torch.stack(each) for each in zip(*part, strict=True)] for part in parts))
    wanted = require_grad(case, together)
    stack = with_gradients(case, torch.func.vmap(one)(together, knob_tensors(case, units, -1)), wanted)
    for variant, unit in enumerate(units):
        given = to_tensors(alone[variant])
        wanted = require_grad(case, given)
        expected = with_gradients(case, call_torch(case, unit, given), wanted)
        for ours, own in zip(stack, expected, strict=True):
            assert_close(ours[variant], own, atol=1e-13, what=f"{case.named(unit)} as variant {variant}")


@for_every_case
def check_stacked_natively(case: Case) -> None:
    """Arrays (seeds, variants, ...) with knobs (1, variants, 1, ...) give what each variant gives alone.

    For a penalty on parameters this is its ``add_gradient``: its value is a sum, which only ``vmap`` keeps apart.
    Another variant that is not a number harms nobody.
    """
    units = case.units
    alone = [[draw_inputs(case, unit, seed, variant) for variant, unit in enumerate(units)] for seed in range(SEEDS)]
    inputs, numbers = stack_inputs(case, alone), grid_knobs(case, units)
    together = compute_natively(case, numbers, to_tensors(inputs).each(in_engine_layout))
    poisoned = compute_natively(case, numbers, to_tensors(with_nan(case, inputs)).each(in_engine_layout))
    for seed in range(SEEDS):
        for variant, unit in enumerate(units):
            what = f"{case.named(unit)} as seed {seed}, variant {variant}"
            expected = compute_natively(case, case.numbers(unit), to_tensors(alone[seed][variant]))
            for one, all_of_them, beside_nan in zip(expected, together, poisoned, strict=True):
                require(all_of_them.shape[:2] == (SEEDS, VARIANTS), f"{what}: shape {all_of_them.shape}")
                ours = all_of_them[seed, variant]
                assert_close(ours.reshape(one.shape), one, what=what)
                harmed = not np.array_equal(beside_nan[seed, variant], ours, equal_nan=True)
                require((seed, variant) == (0, 0) or not harmed, f"{what}, beside a variant of nan")


def with_nan(case: Case, inputs: Inputs) -> Inputs:
    """Replace the first variant's subject by nan."""
    first = inputs.subjects[0].copy()
    first[(slice(None),) * case.lead + (0, 0)] = np.nan
    return inputs._replace(subjects=[first, *inputs.subjects[1:]])


def compute_natively(case: Case, numbers: dict[str, Any], given: Inputs) -> list[np.ndarray]:
    """Compute as the engine does: the results, and the gradients of all inputs that have one."""
    if case.has("add_gradient"):
        return [each.numpy() for each in add_gradient(case, numbers, torch.ones_like(given.subjects[0]), given)]
    wanted = require_grad(case, given)
    return with_gradients(case, call_with(case, numbers, given), wanted)


@for_every_case
def check_edges_stay_finite(case: Case) -> None:
    """Zeros, tiny, huge, constant inputs and extreme noise give finite results and gradients, in both forms alike."""
    for unit in case.units[::3]:  # the mildest and the strongest
        for name, inputs in edge_inputs(case, unit):
            check_finite_at(case, unit, inputs, f"{case.named(unit)} at {name}")
            if max(abs(each).max() for each in inputs.all) < 1e30:  # its square is beyond float32
                check_finite_at(case, unit, inputs.cast(np.float32), f"{case.named(unit)} at {name} in float32")


def check_finite_at(case: Case, unit: object, inputs: Inputs, what: str) -> None:
    """One unit at one edge, in the precision of the inputs."""
    near = 1e-9 if inputs.subjects[0].dtype == np.float64 else 1e-3
    given = to_tensors_alike(inputs)
    wanted = require_grad(case, given)
    vanilla, fast = call_vanilla(case, unit, inputs), call_torch(case, unit, given)
    for one, other in zip(vanilla.results, fast, strict=True):
        check_finite(case, one, f"{what}: the NumPy form")
        check_finite(case, other.detach(), f"{what}: the PyTorch form")
        assert_near(one, other.detach(), near, what)
    if vanilla.backward is None:
        return
    by_hand = vanilla.backward(np.ones(np.shape(vanilla.results[0]), inputs.subjects[0].dtype))
    for hand, auto in zip(by_hand, gradients_of(fast[0].sum(), wanted), strict=True):
        check_finite(case, hand, f"{what}: the gradient by hand")
        check_finite(case, 0.0 if auto is None else auto, f"{what}: the gradient by autograd")


def check_finite(case: Case, value: object, what: str) -> None:
    """No infinities, except for a state that begins with one."""
    kept = case.leaf.place == "stop" and np.isinf(case.leaf.state).any()
    require(not np.isnan(np.asarray(value)).any(), f"{what} is not a number")
    require(kept or np.isfinite(np.asarray(value)).all(), f"{what} is infinite")


@for_every_case
def check_precision_is_kept(case: Case) -> None:
    """float32 in gives float32 out, bfloat16 gives bfloat16 near the same value, with knobs as numbers or tensors."""
    for seed, unit in enumerate(case.units):
        inputs, what = draw_inputs(case, unit, seed), case.named(unit)
        vanilla = call_vanilla(case, unit, inputs.cast(np.float32))
        g = np.ones(np.shape(vanilla.results[0]), np.float32)
        for result in (*vanilla.results, *(vanilla.backward(g) if vanilla.backward else ())):
            kept = type(result) is float or result.dtype == np.float32  # a penalty may be a plain number
            require(kept, f"{what}: NumPy gives {getattr(result, 'dtype', type(result))}")
        for dtype, near in ((torch.float32, 1e-4), (torch.bfloat16, 0.05)):
            given = to_tensors(inputs, dtype)
            exact = call_torch(case, unit, given.each(Tensor.double))  # of the inputs as they are rounded
            for result, expected in zip(call_torch(case, unit, given), exact, strict=True):
                require(result.dtype == dtype, f"{what}: {dtype} becomes {result.dtype}")
                assert_near(result.double(), expected, near, f"{what} in {dtype}")
    alone = [[draw_inputs(case, unit, seed) for unit in case.units] for seed in range(SEEDS)]
    for result in native_results(case, to_tensors(stack_inputs(case, alone), torch.float32)):
        require(result.dtype == torch.float32, f"{case.leaf.__name__} with knobs as tensors: {result.dtype}")


def native_results(case: Case, given: Inputs) -> tuple[Tensor, ...]:
    """Return the results of a float32 stack with float32 knobs; for a penalty on parameters, its gradient form's."""
    numbers = grid_knobs(case, case.units, dtype=torch.float32)
    if case.has("add_gradient"):
        return add_gradient(case, numbers, given.subjects[0], given)
    return call_with(case, numbers, given)


@for_every_case
def check_device_is_kept(case: Case) -> None:
    """Results stay on the device of the inputs (here "meta", which any other than the CPU resembles)."""
    unit = case.units[0]
    for result in call_torch(case, unit, to_tensors(draw_inputs(case, unit), device="meta")):
        require(result.device.type == "meta", f"{case.named(unit)}: {result.device}")


@for_every_case
def check_inputs_are_left_alone(case: Case) -> None:
    """No form writes into what it is given."""
    unit = case.units[0]
    inputs, numbers = draw_inputs(case, unit), {**case.numbers(unit), **word_options(case)}
    given, g = to_tensors(inputs), result_gradient(case, unit, inputs)
    before = [each.tobytes() for each in (*inputs.all, g)]
    vanilla = call_vanilla(case, unit, inputs)
    if vanilla.backward:
        vanilla.backward(g)
    call_torch(case, unit, given)
    for form in (inputs, given):
        if case.has("evaluate"):
            unit.evaluate(*packed(case, form.evaluated), **numbers)
        if case.has("measure"):
            unit.measure(*form.subjects, **numbers)
    if case.has("add_gradient"):
        add_gradient(case, case.numbers(unit), given.subjects[0], given)
    require(
        [each.tobytes() for each in (*inputs.all, g)] == before, f"{case.named(unit)}: the NumPy form changed its input"
    )
    after = [each.numpy().tobytes() for each in given.all]
    require(after == before[:-1], f"{case.named(unit)}: the PyTorch form changed its input")


EVERYWHERE: tuple[Check, ...] = (
    check_forms_agree,
    check_vanilla_runs_without_torch,
    check_stacked_by_vmap,
    check_stacked_natively,
    check_edges_stay_finite,
    check_precision_is_kept,
    check_device_is_kept,
    check_inputs_are_left_alone,
)
