"""Gradients: those written by hand are held against autograd and small steps."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from bridle.testing.assertions import assert_close, for_every_case, require
from bridle.testing.cases import Case
from bridle.testing.formula_calls import add_gradient, call_torch, call_vanilla
from bridle.testing.inputs import Inputs, draw_inputs, to_tensors

__all__ = [
    "check_add_gradient",
    "check_hand_gradient",
    "gradients_of",
    "require_grad",
    "result_gradient",
    "with_gradients",
]


def result_gradient(case: Case, unit: object, inputs: Inputs) -> np.ndarray:
    """Some gradient of the first result, in its shape."""
    shape = np.shape(call_vanilla(case, unit, inputs).results[0])
    return np.asarray(np.random.default_rng(2).normal(size=shape))


def require_grad(case: Case, given: Inputs) -> list[Tensor]:
    """Turn on autograd for the inputs that have a gradient, and return them."""
    if case.leaf.place not in ("layer", "loss"):
        return []
    return [each.requires_grad_() for each in (*given.subjects, *given.parameters)]


def with_gradients(case: Case, results: tuple[Tensor, ...], wanted: list[Tensor]) -> list[np.ndarray]:
    """Results, and the gradients of the first, each variant's weighed alike; zeros where an argument is held still."""
    found = list(results)
    if wanted:
        own = results[0].shape[results[0].ndim - case.axes :] if case.has("evaluate") else ()
        weights = torch.linspace(-1, 2, math.prod(own), dtype=results[0].dtype).view(own)
        total = (results[0] * weights).sum()
        found += torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)
    return [each.detach().numpy() for each in found]


def gradients_of(result: Tensor, wanted: list[Tensor], g: Tensor | None = None) -> tuple[Tensor | None, ...]:
    """Autograd's gradients; None for what the result does not hang on."""
    if not result.requires_grad:
        return (None,) * len(wanted)
    return torch.autograd.grad(result, wanted, g, allow_unused=True)


DIRECTIONS, STEP = 3, 1e-6  # the directions in which small steps are taken, for each argument, and their size
CONVERGENCE_STEPS = 300  # steps after which a state that follows a resting weight has reached it


def autograd_gradients(case: Case, unit: object, inputs: Inputs, g: np.ndarray) -> list[np.ndarray | None]:
    """Gradients of the PyTorch form's first result, weighted by ``g``; None where it holds an argument still."""
    given = to_tensors(inputs)
    wanted = require_grad(case, given)
    found = gradients_of(call_torch(case, unit, given)[0], wanted, torch.tensor(g))
    return [None if each is None else each.numpy() for each in found]


@for_every_case
def check_hand_gradient(case: Case) -> None:
    """The gradient written by hand is that of autograd, and that of small steps.

    A penalty on a second pass may hold one of the two still, as a target: its gradient is then 0 and autograd is cut.
    """
    for seed, unit in enumerate(case.units):
        inputs, what = draw_inputs(case, unit, seed), case.named(unit)
        g = result_gradient(case, unit, inputs)
        by_hand, by_torch = call_vanilla(case, unit, inputs).gradients(g), autograd_gradients(case, unit, inputs, g)
        places = [*inputs.subjects, *inputs.parameters]
        require(len(by_hand) == len(places), f"{what}: a gradient for each subject and each parameter")
        for number, (hand, auto) in enumerate(zip(by_hand, by_torch, strict=True)):
            require(
                np.shape(hand) == places[number].shape, f"{what}: argument {number} has a gradient {np.shape(hand)}"
            )
            assert_close(
                hand, 0.0 if auto is None else auto, atol=1e-12, what=f"{what}: argument {number}, by autograd"
            )
        moving = [number for number, auto in enumerate(by_torch) if auto is not None]
        require(len(moving) >= len(places) - case.has("move"), f"{what}: autograd is cut off")
        check_finite_differences(case, unit, converged(case, unit, inputs), g, moving)


def converged(case: Case, unit: object, inputs: Inputs) -> Inputs:
    """Run a state that follows the weight until it has converged: there a gradient may treat it as constant."""
    for _ in range(CONVERGENCE_STEPS if any(map(callable, case.leaf.state)) else 0):
        results = call_vanilla(case, unit, inputs).results
        inputs = inputs._replace(state=list(results[len(results) - len(inputs.state) :]))
    return inputs


def check_finite_differences(case: Case, unit: object, inputs: Inputs, g: np.ndarray, moving: list[int]) -> None:
    """Check the gradient by hand against finite differences along some directions."""
    random = np.random.default_rng(4)
    by_hand = call_vanilla(case, unit, inputs).gradients(g)
    for number in moving:
        for way in random.normal(size=(DIRECTIONS, *by_hand[number].shape)):
            ends = []
            for step in (STEP, -STEP):
                moved = inputs.each(np.copy)
                [*moved.subjects, *moved.parameters][number][...] += step * way
                ends.append(float((call_vanilla(case, unit, moved).results[0] * g).sum()))
            said = by_hand[number] * way
            what, near = f"{case.named(unit)}: argument {number}, by small steps", 1e-7 + 1e-6 * float(abs(said).sum())
            assert_close(said.sum(), (ends[0] - ends[1]) / (2 * STEP), rtol=0, atol=near, what=what)


@for_every_case
def check_add_gradient(case: Case) -> None:
    """``add_gradient`` is ``g`` plus autograd's gradient of the penalty, and hands on the same state."""
    for unit in case.units:
        inputs = draw_inputs(case, unit)
        g = np.random.default_rng(8).normal(size=case.shapes[0])
        slope = autograd_gradients(case, unit, inputs, np.ones(()))[0]
        expected = g if slope is None else slope + g
        added, *state = add_gradient(case, case.numbers(unit), torch.from_numpy(g), to_tensors(inputs))
        assert_close(added, expected, what=case.named(unit))
        for ours, one in zip(state, call_torch(case, unit, to_tensors(inputs))[1:], strict=True):
            assert_close(ours, one, what=f"{case.named(unit)}: state")
