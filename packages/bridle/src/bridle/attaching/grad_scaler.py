"""A ``GradScaler`` beside an ascent: by how much it has the gradients too large, and who takes the step."""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler, OptState
from torch.optim import Optimizer

from bridle.attaching.groups import held_by
from bridle.errors import StateError

SUSPECT = 8.0  # how many times longer than the second a first gradient may be without a look for a scaler


def scale_of(scaler: Any, optimizer: Optimizer) -> float:
    """By how much the gradients are too large now; ``RuntimeError`` where the scaler is past its first stage."""
    if not is_active(scaler):
        return 1.0
    if getattr(scaler, "_scale", scaler) is None:
        raise StateError(
            "this GradScaler has scaled no loss yet: scaler.scale(loss).backward(), then handle.ascend(closure, scaler)"
        )
    if stage_of(scaler, optimizer) is not OptState.READY:
        raise StateError(
            "the second gradient takes the place of the first, and with it what scaler.unscale_ and clipping have made "
            "of that: call handle.ascend(closure, scaler) right behind backward(), before scaler.unscale_(optimizer)"
        )
    return float(scaler.get_scale())


def is_active(scaler: Any) -> bool:
    """Whether there is a scaler, and it is switched on."""
    return scaler is not None and (not hasattr(scaler, "is_enabled") or bool(scaler.is_enabled()))


def stage_of(scaler: Any, optimizer: Optimizer) -> OptState:
    """What a scaler has done for an optimizer since its last update: nothing, unscaled the gradients, or stepped."""
    state = getattr(scaler, "_per_optimizer_states", {}).get(id(optimizer))
    return OptState.READY if state is None else state["stage"]


def unscale(optimizer: Optimizer) -> bool:
    """Unscale gradients that a GradScaler has left to a fused optimizer; tells whether it will skip the step."""
    scale, infinite = getattr(optimizer, "grad_scale", None), getattr(optimizer, "found_inf", None)
    if infinite is not None and bool(infinite):
        return True
    if scale is not None:
        torch._foreach_div_([each.grad for each in held_by(optimizer) if each.grad is not None], float(scale))
        optimizer.grad_scale = None  # type: ignore[attr-defined]  # it is the scaler's, who removes it
    return False


def check_told(first: float, second: float) -> None:
    """Raise ``RuntimeError`` where a scaler that nobody has told of explains how much longer the first gradient is.

    Of several in the program, others' among them, it is the one whose scale is nearest. It explains what lies between
    the root and the square of its scale: there, the scale is nearer than no scale, or than its use twice.
    """
    if not (second > 0 and SUSPECT * second < first < math.inf):
        return
    ratio = math.log(first / second)
    nearest = min(scales_in_use(), key=lambda scale: abs(ratio - math.log(scale)), default=1.0)
    if math.log(nearest) / 2 < ratio < 2 * math.log(nearest):
        raise StateError(
            f"the gradients behind backward() are {first / second:.3g} times as long as those of the closure, "
            f"and a GradScaler scales losses by {nearest:g}: handle.ascend(closure, scaler)"
        )


def scales_in_use() -> Iterator[float]:
    """The scales above 1 of all scalers in the program that have scaled a loss."""
    scalers = (each for each in gc.get_objects() if issubclass(type(each), GradScaler))  # isinstance runs proxies' code
    for each in scalers:
        if is_active(each) and each._scale is not None and (scale := float(each.get_scale())) > 1:
            yield scale


def check_alike(first: float, second: float, scale: float) -> None:
    """Raise ``RuntimeError`` where a scale that was told of explains how different both scaled gradients' lengths are.

    Then one of them was scaled twice, or not at all.
    """
    if not (first > 0 and second > 0 and math.isfinite(first) and math.isfinite(second)):
        return
    ratio = math.log(second / first)
    near = math.log(SUSPECT)
    if abs(ratio) <= near or abs(abs(ratio) - math.log(max(scale, 1.0))) >= near:
        return
    if ratio > 0:
        problem = "scales its loss itself, and handle.ascend(closure, scaler) does it once more: let it return the loss"
    else:
        problem = "calls backward() without the scaler: scaler.scale(loss).backward() in it, too"
    raise StateError(
        f"the gradients of the closure are {second / first:.3g} times as long as those behind backward(), and the "
        f"scaler scales losses by {scale:g}: the closure {problem}"
    )


def check_taker(told: Any, optimizer: Optimizer, *, scaled_alike: bool) -> None:
    """Raise ``RuntimeError`` where another scaler takes the step than that by which the second gradient was scaled.

    ``scaled_alike`` tells that the closure has scaled the second gradient by itself, and nothing was added to it.
    """
    taking = taking_step()
    if taking is told or (told is None and scaled_alike):
        return
    if taking is None and stage_of(told, optimizer) is OptState.UNSCALED:
        return
    if told is None:
        problem = "a GradScaler takes this step, and handle.ascend was not told of it: handle.ascend(closure, scaler)"
    elif taking is None:
        problem = "handle.ascend has scaled the gradients by its scaler, and nobody has unscaled them: scaler.step(...)"
    else:
        problem = "this step is taken by another GradScaler than the one that handle.ascend was given"
    raise StateError(problem)


def taking_step() -> GradScaler | None:
    """The scaler that has called ``optimizer.step()``, within which this is called; ``None`` if none has."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "step" and isinstance(found := frame.f_locals.get("self"), GradScaler):
            return found if is_active(found) else None
        frame = frame.f_back  # type: ignore[assignment]
    return None
