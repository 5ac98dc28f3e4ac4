"""The checks of what acts within the network: in evaluation, as an ordinary module, at its start."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bridle.places.module import LayerModule
from bridle.places.module import drawn as torch_noise
from bridle.testing.assertions import assert_close, for_every_case, require
from bridle.testing.cases import SEEDS, Case, Leaf
from bridle.testing.formula_calls import call_torch, call_with, grid_knobs, packed, unpacked, word_options
from bridle.testing.inputs import Inputs, draw_inputs, in_engine_layout, stack_inputs, to_tensors

__all__ = [
    "check_evaluation_agrees",
    "check_gradient_by_hand",
    "check_initial_values_agree",
    "check_module_agrees",
]


def call_evaluation(case: Case, unit: Any, given: list[Any], numbers: dict[str, Any] | None = None) -> Any:
    """Apply the evaluation form to the inputs."""
    return unit.evaluate(*packed(case, given), **(numbers or case.numbers(unit)), **word_options(case))


@for_every_case
def check_evaluation_agrees(case: Case) -> None:
    """``evaluate`` gives the same for NumPy arrays, tensors, and a stack of variants."""
    units = case.units
    alone = [[draw_inputs(case, unit, seed, variant) for variant, unit in enumerate(units)] for seed in range(SEEDS)]
    together = to_tensors(stack_inputs(case, alone)).each(in_engine_layout)
    everywhere = call_evaluation(case, units[0], together.evaluated, grid_knobs(case, units))
    for seed in range(SEEDS):
        for variant, unit in enumerate(units):
            expected = call_evaluation(case, unit, alone[seed][variant].evaluated)
            assert_close(
                call_evaluation(case, unit, to_tensors(alone[seed][variant]).evaluated), expected, what=case.named(unit)
            )
            assert_close(everywhere[seed, variant], expected, what=f"{case.named(unit)}, stacked")


@for_every_case
def check_gradient_by_hand(case: Case) -> None:
    """``torch_with_gradient``, where a layer has it, gives for a stack of variants what ``torch`` and autograd do."""
    form, units = case.leaf.torch_with_gradient, case.units
    if form is None:
        return
    alone = [[draw_inputs(case, unit, seed, variant) for variant, unit in enumerate(units)] for seed in range(SEEDS)]
    given, numbers = to_tensors(stack_inputs(case, alone)).each(in_engine_layout), grid_knobs(case, units)
    *results, backward = unpacked(case, form(*packed(case, given.all), **numbers, **word_options(case)))
    leaves = given._replace(
        subjects=[each.clone().requires_grad_() for each in given.subjects],
        parameters=[each.clone().requires_grad_() for each in given.parameters],
    )
    expected = call_with(case, numbers, leaves)
    g = torch.cos(torch.arange(results[0].numel(), dtype=torch.float64)).view(results[0].shape)
    slopes = torch.autograd.grad(expected[0], [*leaves.subjects, *leaves.parameters], g)
    what = f"{case.named(units[0])}: torch_with_gradient, stacked"
    for ours, theirs in zip([*results, *backward(g)], [*expected, *slopes], strict=True):
        assert_close(ours, theirs.detach(), what=what)


def position_shapes(case: Case) -> list[tuple[int, ...]]:
    """Behind (batch, units): none, a sequence's, an image's, and a volume's where positions are rows."""
    return [(), (4,), (2, 3)] if case.leaf.maps else [(), (4,), (2, 3), (2, 1, 2)]


def to_formula_layout(leaf: Leaf, h: Tensor) -> Tensor:
    """Activations of an ordinary module as the formula sees them."""
    if leaf.maps:
        return h.reshape(*h.shape[:2], *(1, 1, *h.shape[2:])[-2:])
    return h.movedim(1, -1).reshape(-1, h.shape[1])


def from_formula_layout(leaf: Leaf, out: Tensor, h: Tensor) -> Tensor:
    """The reverse."""
    if leaf.maps:
        return out.reshape(h.shape)
    return out.reshape(h.movedim(1, -1).shape).movedim(-1, 1)


@for_every_case
def check_module_agrees(case: Case) -> None:
    """The ordinary module has the same names and evaluates the same, for images and sequences too.

    Without noise it also trains the same, and with noise where it is the formula itself.
    """
    for unit in case.units:
        inputs = to_tensors(draw_inputs(case, unit))
        rows, units = case.shapes[0][:2]
        for behind in position_shapes(case):
            h = torch.from_numpy(np.random.default_rng(5).normal(size=(rows, units, *behind)))
            module = unit.module(units, h.ndim).double()
            load_values(module, case, inputs)
            what = f"{case.named(unit)}: its module with {h.ndim} axes"
            evaluated = call_evaluation(
                case, unit, [to_formula_layout(case.leaf, h), *inputs.parameters, *inputs.state]
            )
            assert_close(
                module.eval()(h).detach(),
                from_formula_layout(case.leaf, evaluated, h),
                atol=1e-12,
                what=f"{what} in evaluation",
            )
            if isinstance(module, LayerModule) or not case.leaf.noise:
                seen = to_formula_layout(case.leaf, h)
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(6)
                    noise = [torch_noise(draw, seen) for draw in case.leaf.noise]
                    torch.manual_seed(6)
                    trained = module.train()(h).detach()
                out, *state = call_torch(case, unit, inputs._replace(subjects=[seen], noise=noise))
                assert_close(trained, from_formula_layout(case.leaf, out, h), atol=1e-12, what=f"{what} in training")
                kept = dict(module.named_buffers())
                for name, value in zip(case.leaf.state._fields, state, strict=True):
                    assert_close(kept[name], value.flatten(), what=f"{what}: {name}")


def load_values(module: nn.Module, case: Case, inputs: Inputs) -> None:
    """Put parameters and state into a module."""
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    require(set(case.leaf.parameters) == set(parameters), f"{case.leaf.__name__}: names of the module's parameters")
    require(set(case.leaf.state._fields) <= set(buffers), f"{case.leaf.__name__}: names of the module's state")
    names = (*case.leaf.parameters, *case.leaf.state._fields)
    values = zip(names, (*inputs.parameters, *inputs.state), strict=True)
    module.load_state_dict({name: value.flatten() for name, value in values}, strict=False)


@for_every_case
def check_initial_values_agree(case: Case) -> None:
    """Initial values computed from the weight are the same in NumPy and torch, alone and under ``vmap``."""
    weights = np.random.default_rng(7).normal(size=(3, *case.matrix))
    weights[0] = 0
    for name, start in {**case.leaf.parameters, **case.leaf.state._asdict()}.items():
        if callable(start):
            together = torch.func.vmap(start)(torch.from_numpy(weights))
            for number, w in enumerate(weights):
                what, begun = f"{case.leaf.__name__}.{name} of {case.matrix}", start(w)
                require(np.isfinite(begun).all(), f"{what} is not finite")
                assert_close(start(torch.from_numpy(w)), begun, what=what)
                assert_close(together[number], begun, what=f"{what} under vmap")
