"""The numerical checks that every regularizer must pass; ``test_meta.py`` shows that each can fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from cases import (
    VARIANTS,
    arrays,
    call_torch,
    call_vanilla,
    call_with,
    edges,
    knob_tensors,
    learned,
    settings,
    tensors,
)
from numpy.testing import assert_allclose

from bridle.knobs import knobs
from bridle.recipe import Regularizer

Leaf = type[Regularizer]
Check = Callable[[Leaf], None]


def same(actual: object, expected: object, *, rtol: float = 1e-12, atol: float = 1e-14, what: str = "") -> None:
    """Equal but for rounding in float64."""
    assert_allclose(np.asarray(actual), np.asarray(expected), rtol=rtol, atol=atol, err_msg=what)


def identical(actual: object, expected: object, what: str) -> None:
    """Equal in every bit."""
    assert np.asarray(actual).tobytes() == np.asarray(expected).tobytes(), what


def result_gradient(unit: Regularizer, inputs: list[np.ndarray]) -> np.ndarray:
    """Some gradient of the first result, in its shape."""
    shape = np.shape(call_vanilla(unit, *inputs).results[0])
    return np.asarray(np.random.default_rng(2).normal(size=shape))


def check_twins_agree(leaf: Leaf) -> None:
    """The NumPy form and the PyTorch form give the same results."""
    for seed, unit in enumerate(settings(leaf)):
        inputs = arrays(leaf, seed=seed)
        ours, theirs = call_vanilla(unit, *inputs).results, call_torch(unit, *tensors(inputs))
        assert len(ours) == len(theirs), f"{unit}: {len(ours)} results in NumPy, {len(theirs)} in torch"
        for one, other in zip(ours, theirs, strict=True):
            assert np.shape(one) == tuple(other.shape), f"{unit}: {np.shape(one)} in NumPy, {other.shape} in torch"
            same(one, other, what=repr(unit))


def check_off_is_identity(leaf: Leaf) -> None:
    """With any one knob at its off value, not a bit changes, forward, backward and in evaluation."""
    off = [k for k in knobs(leaf) if k.off is not None]
    assert off, f"{leaf.__name__} has no knob with an off value; it belongs to check_never_off"
    for declared in off:
        unit = leaf(**{declared.name: declared.off})
        assert unit.is_off, f"{unit}: is_off"
        for dtype in (np.float64, np.float32):
            identity_at_off(unit, [each.astype(dtype) for each in arrays(leaf)])


def identity_at_off(unit: Regularizer, inputs: list[np.ndarray]) -> None:
    """One unit that is off, on one set of inputs."""
    first, numbers = inputs[0], unit.settings(numbers=True)
    given = [torch.from_numpy(each.copy()) for each in inputs]
    vanilla, fast = call_vanilla(unit, *inputs), call_torch(unit, *given)[0]
    if unit.place == "loss":
        assert float(vanilla.results[0]) == 0 and not vanilla.backward(1.0)[0].any(), f"{unit}: the NumPy form"
        assert float(fast) == 0, f"{unit}: the PyTorch form"
        identical(unit.add_gradient(given[0], given[0], **numbers), first, f"{unit}: add_gradient")
        return
    identical(vanilla.results[0], first, f"{unit}: the NumPy form")
    identical(fast, first, f"{unit}: the PyTorch form")
    if unit.place == "layer":
        identical(vanilla.backward(first)[0], first, f"{unit}: backward")
        identical(unit.evaluate(first, *inputs[1 + unit.draws_noise :], **numbers), first, f"{unit}: evaluate")


def check_never_off(leaf: Leaf) -> None:
    """A regularizer that no knob switches off says so: it is absent, or it acts."""
    assert all(k.off is None for k in knobs(leaf)), f"{leaf.__name__} has an off value; see check_off_is_identity"
    for unit in settings(leaf):
        assert not unit.is_off, f"{unit} claims to be off"
        inputs = arrays(leaf)
        assert not np.array_equal(call_vanilla(unit, *inputs).results[0], inputs[0]), f"{unit} does nothing"


def check_stacked_by_vmap(leaf: Leaf) -> None:
    """``torch.func.vmap`` over variants, each with its own knobs, gives what each gives alone."""
    units, inputs = settings(leaf), arrays(leaf, stacked=True)
    given = [each.squeeze(1) if each.shape[1] == 1 else each for each in tensors(inputs)]
    names = list(knob_tensors(units))

    def one(*both: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return call_with(leaf, dict(zip(names, both[: len(names)], strict=True)), *both[len(names) :])

    stacked = torch.func.vmap(one)(*knob_tensors(units).values(), *given)
    for variant, unit in enumerate(units):
        alone = call_torch(unit, *(each[variant] for each in given))
        for one_result, all_results in zip(alone, stacked, strict=True):
            same(all_results[variant], one_result, what=f"{unit} as variant {variant}")


def check_stacked_natively(leaf: Leaf) -> None:
    """Arrays of shape (variants, ...) with knobs of shape (variants, 1, 1) give what each variant gives alone.

    For a penalty this is its ``add_gradient``: its value is a sum, which only ``vmap`` keeps apart.
    """
    units, inputs = settings(leaf), arrays(leaf, stacked=True)
    stacked = native(leaf, knob_tensors(units, 1, 1), inputs)
    poisoned = [inputs[0].copy(), *inputs[1:]]
    poisoned[0][0] = np.nan
    beside_nan = native(leaf, knob_tensors(units, 1, 1), poisoned)
    for variant, unit in enumerate(units):
        alone = native(leaf, unit.settings(numbers=True), [each[variant] for each in inputs])
        for one, both, harmed in zip(alone, stacked, beside_nan, strict=True):
            assert both.shape == (VARIANTS, *one.shape), f"{unit}: shape {both.shape}"
            same(both[variant], one, what=f"{unit} as variant {variant}")
            assert variant == 0 or np.array_equal(harmed[variant], both[variant]), f"{unit} beside a variant of nan"


def native(leaf: Leaf, numbers: dict[str, object], inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What the engine computes: the results, and for a layer the gradients of all that is learned."""
    given = tensors(inputs)
    if leaf.place == "loss":
        return [leaf.add_gradient(torch.ones_like(given[0]), given[0], **numbers).numpy()]
    if leaf.place == "weight":
        return [call_with(leaf, numbers, *given)[0].numpy()]
    wanted = [given[place].requires_grad_() for place in learned(leaf)]
    results = call_with(leaf, numbers, *given)
    gradients = torch.autograd.grad(results[0].square().sum(), wanted)
    return [each.detach().numpy() for each in (*results, *gradients)]


def check_edges_stay_finite(leaf: Leaf) -> None:
    """Zeros, tiny, huge and constant inputs give finite results and gradients, the same in both forms."""
    for unit in settings(leaf):
        for name, first in edges():
            inputs = [first, *arrays(leaf)[1:]]
            stays_finite(unit, inputs, name)
            if abs(first).max() < 1e30:  # its square is beyond float32: the true results are not representable
                stays_finite(unit, [each.astype(np.float32) for each in inputs], name)


def stays_finite(unit: Regularizer, inputs: list[np.ndarray], name: str) -> None:
    """One unit at one edge, in the precision of the inputs."""
    what = f"{unit} at {name} in {inputs[0].dtype}"
    vanilla, fast = call_vanilla(unit, *inputs), call_torch(unit, *map(torch.from_numpy, inputs))
    loose = 1e-9 if inputs[0].dtype == np.float64 else 1e-3
    for one, other in zip(vanilla.results, fast, strict=True):
        assert np.isfinite(one).all(), f"{what}: the NumPy form"
        assert torch.isfinite(other).all(), f"{what}: the PyTorch form"
        same(one, other, rtol=loose, atol=loose * max(1.0, float(other.abs().max())), what=what)
    if vanilla.backward is None:
        return
    g = np.ones(np.shape(vanilla.results[0]), inputs[0].dtype)
    given = [torch.from_numpy(each.copy()) for each in inputs]
    wanted = [given[place].requires_grad_() for place in learned(type(unit))]
    gradients = torch.autograd.grad(call_torch(unit, *given)[0].sum(), wanted)
    for hand, auto in zip(vanilla.backward(g), gradients, strict=True):
        assert np.isfinite(hand).all(), f"{what}: the gradient by hand"
        assert torch.isfinite(auto).all(), f"{what}: the gradient by autograd"


def check_precision_is_kept(leaf: Leaf) -> None:
    """float32 in gives float32 out, bfloat16 gives bfloat16 near the same value, with knobs as numbers or tensors."""
    inputs = arrays(leaf)
    for unit in settings(leaf):
        vanilla = call_vanilla(unit, *(each.astype(np.float32) for each in inputs))
        g = np.ones(np.shape(vanilla.results[0]), np.float32)
        gradients = vanilla.backward(g) if vanilla.backward else ()
        for result in (*vanilla.results, *gradients):
            kept = type(result) is float or result.dtype == np.float32  # a penalty may be a plain number
            assert kept, f"{unit}: NumPy gives {result.dtype}"
        exact = call_torch(unit, *tensors(inputs))
        for dtype in (torch.float32, torch.bfloat16):
            for result, expected in zip(call_torch(unit, *narrow(leaf, inputs, dtype)), exact, strict=True):
                assert result.dtype == dtype, f"{unit}: {dtype} becomes {result.dtype}"
                near = 1e-4 if dtype == torch.float32 else 0.05
                same(result.double(), expected, rtol=near, atol=near, what=f"{unit} in {dtype}")
    stacked = tensors(arrays(leaf, stacked=True), torch.float32)
    for result in call_with(leaf, knob_tensors(settings(leaf), 1, 1, dtype=torch.float32), *stacked):
        assert result.dtype == torch.float32, f"{leaf.__name__} with knobs as tensors: {result.dtype}"


def narrow(leaf: Leaf, inputs: list[np.ndarray], dtype: torch.dtype) -> list[torch.Tensor]:
    """The inputs in ``dtype``; noise in float32 all the same, since bfloat16 would round the rate to 1/256."""
    given = tensors(inputs, dtype)
    if leaf.place == "layer" and leaf.draws_noise:
        given[1] = torch.tensor(inputs[1], dtype=torch.float32)
    return given


def check_device_is_kept(leaf: Leaf) -> None:
    """Results stay on the device of the inputs (here "meta", which any other than the CPU resembles)."""
    for result in call_torch(settings(leaf)[0], *tensors(arrays(leaf), device="meta")):
        assert result.device.type == "meta", f"{leaf.__name__}: {result.device}"


def check_inputs_are_left_alone(leaf: Leaf) -> None:
    """No form writes into what it is given."""
    unit, inputs = settings(leaf)[0], arrays(leaf)
    numbers, given = unit.settings(numbers=True), tensors(inputs)
    g = result_gradient(unit, inputs)
    before = [each.tobytes() for each in (*inputs, g)]
    vanilla = call_vanilla(unit, *inputs)
    if vanilla.backward is not None:
        vanilla.backward(g)
    call_torch(unit, *given)
    if unit.place == "layer":
        rest = slice(1 + unit.draws_noise, None)
        unit.evaluate(inputs[0], *inputs[rest], **numbers)
        unit.evaluate(given[0], *given[rest], **numbers)
    if unit.place == "loss":
        unit.add_gradient(given[0], given[0], **numbers)
    assert [each.tobytes() for each in (*inputs, g)] == before, f"{leaf.__name__}: the NumPy form changed its input"
    after = [each.numpy().tobytes() for each in given]
    assert after == before[:-1], f"{leaf.__name__}: the PyTorch form changed its input"


EVERYWHERE: tuple[Check, ...] = (
    check_twins_agree,
    check_stacked_by_vmap,
    check_stacked_natively,
    check_edges_stay_finite,
    check_precision_is_kept,
    check_device_is_kept,
    check_inputs_are_left_alone,
)
