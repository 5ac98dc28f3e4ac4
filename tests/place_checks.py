"""The numerical checks that belong to one place, its gradients above all; ``test_meta.py`` shows that each can fail."""

from __future__ import annotations

import numpy as np
import torch
from cases import UNITS, arrays, call_torch, call_vanilla, learned, settings, tensors
from checks import EVERYWHERE, Check, Leaf, check_never_off, check_off_is_identity, identical, result_gradient, same

from bridle.knobs import knobs
from bridle.recipe import Regularizer


def autograd(unit: Regularizer, inputs: list[np.ndarray], g: np.ndarray) -> list[np.ndarray]:
    """Gradients of the PyTorch form's first result, weighted by ``g``, with respect to all that is learned."""
    given = tensors(inputs)
    wanted = [given[place].requires_grad_() for place in learned(type(unit))]
    result = call_torch(unit, *given)[0]
    return [each.numpy() for each in torch.autograd.grad(result, wanted, torch.tensor(g))]


def central_differences(unit: Regularizer, inputs: list[np.ndarray], g: np.ndarray, place: int) -> np.ndarray:
    """The gradient of the NumPy form's first result, weighted by ``g``, measured by small steps of one input."""
    step, gradient = 1e-6, np.zeros_like(inputs[place])
    for spot in np.ndindex(gradient.shape):
        ends = []
        for sign in (1.0, -1.0):
            moved = [each.copy() for each in inputs]
            moved[place][spot] += sign * step
            ends.append(float((call_vanilla(unit, *moved).results[0] * g).sum()))
        gradient[spot] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def check_hand_gradient(leaf: Leaf) -> None:
    """The gradient written by hand is that of autograd, and that of small steps."""
    for seed, unit in enumerate(settings(leaf)):
        inputs = arrays(leaf, seed=seed)
        g = result_gradient(unit, inputs)
        by_hand = call_vanilla(unit, *inputs).backward(g)
        assert len(by_hand) == len(learned(leaf)), f"{unit}: a gradient for each of h and the parameters"
        for hand, auto, place in zip(by_hand, autograd(unit, inputs, g), learned(leaf), strict=True):
            same(hand, auto, atol=1e-13, what=f"{unit}: argument {place}, by hand and by autograd")
            steps = central_differences(unit, inputs, g, place)
            same(hand, steps, rtol=1e-5, atol=1e-7, what=f"{unit}: argument {place}, by hand and by small steps")


def check_evaluation_agrees(leaf: Leaf) -> None:
    """``evaluate`` gives the same for NumPy arrays and tensors."""
    for unit in settings(leaf):
        inputs, numbers = arrays(leaf), unit.settings(numbers=True)
        inputs = [inputs[0], *inputs[1 + leaf.draws_noise :]]
        same(unit.evaluate(*inputs, **numbers), unit.evaluate(*tensors(inputs), **numbers), what=repr(unit))


def check_module_agrees(leaf: Leaf) -> None:
    """The ordinary module has the same names and evaluates the same, for images and sequences too.

    Without noise it also trains the same.
    """
    for unit in settings(leaf):
        inputs = tensors(arrays(leaf))
        kept = dict(zip([*leaf.parameters, *leaf.state], inputs[1 + leaf.draws_noise :], strict=True))
        module = unit.module(UNITS).double()
        assert set(leaf.parameters) == set(dict(module.named_parameters())), f"{unit}: names of the parameters"
        assert set(leaf.state) <= set(dict(module.named_buffers())), f"{unit}: names of the state"
        module.load_state_dict(kept, strict=False)
        evaluated = unit.evaluate(inputs[0], *kept.values(), **unit.settings(numbers=True))
        same(module.eval()(inputs[0]).detach(), evaluated, what=f"{unit} in evaluation")
        for axes in (3, 4, 5):  # one position each, so that the values are those of a plain batch
            spread = unit.module(UNITS, axes).double()
            spread.load_state_dict(kept, strict=False)
            evaluated_there = spread.eval()(inputs[0].view(*inputs[0].shape, *(axes - 2) * [1])).flatten(1)
            same(evaluated_there.detach(), evaluated, what=f"{unit} with {axes} axes")
        if not leaf.draws_noise:
            out, *state = call_torch(unit, *inputs)
            same(module.train()(inputs[0]).detach(), out, what=f"{unit} in training")
            buffers = dict(module.named_buffers())
            for name, value in zip(leaf.state, state, strict=True):
                same(buffers[name], value, what=f"{unit}: {name}")


def check_add_gradient(leaf: Leaf) -> None:
    """``add_gradient`` is ``g`` plus autograd's gradient of the penalty, with and without ``out``."""
    for unit in settings(leaf):
        inputs, numbers = arrays(leaf), unit.settings(numbers=True)
        expected = autograd(unit, inputs, np.ones(()))[0] + 1.0
        w = tensors(inputs)[0]
        g, target = torch.ones_like(w), torch.full_like(w, torch.nan)
        same(unit.add_gradient(g, w, **numbers), expected, what=repr(unit))
        unit.add_gradient(g, w, **numbers, out=target)
        same(target, expected, what=f"{unit} with out=")
        unit.add_gradient(g, w, **numbers, out=g)
        same(g, expected, what=f"{unit} with out=g")


def check_new_weight_in_place(leaf: Leaf) -> None:
    """A weight regularizer writes the same into ``out``, the weight itself included."""
    for unit in settings(leaf):
        w = tensors(arrays(leaf))[0]
        expected, target = call_torch(unit, w)[0], torch.full_like(w, torch.nan)
        for out in (target, w):
            unit.torch(w, **unit.settings(numbers=True), lr=0.1, out=out)
            identical(out, expected, f"{unit} with out=")


AT_PLACE: dict[str, tuple[Check, ...]] = {
    "layer": (check_hand_gradient, check_evaluation_agrees, check_module_agrees),
    "loss": (check_hand_gradient, check_add_gradient),
    "weight": (check_new_weight_in_place,),  # nothing flows back through it: no gradient to check
}


def numerical_checks(leaf: Leaf) -> tuple[Check, ...]:
    """The checks that apply to a regularizer, by its place and by whether it has an off value."""
    off = check_off_is_identity if any(k.off is not None for k in knobs(leaf)) else check_never_off
    return (*EVERYWHERE, off, *AT_PLACE[leaf.place])
