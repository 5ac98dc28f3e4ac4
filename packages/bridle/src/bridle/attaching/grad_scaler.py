"""Steps under a ``GradScaler``: the loss scale, what is unscaled and skipped, and checks of its use."""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Protocol, TypeGuard, TypeVar

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler, OptState
from torch.optim import Optimizer

from bridle.attaching.parameter_groups import optimized_parameters
from bridle.errors import StateError

__all__ = [
    "LossScaler",
    "backward",
    "check_scaled_lengths",
    "check_stepping_scaler",
    "check_unscaled_lengths",
    "is_active",
    "loss_scale_of",
    "take_step",
    "unscale",
]


class LossScaler(Protocol):
    """A scaler of losses, such as ``torch.amp.GradScaler``."""

    def scale(self, outputs: Tensor, /) -> Tensor:
        """Return the scaled loss."""

    def step(self, optimizer: Optimizer, /) -> object:
        """Unscale the gradients, and step unless one is infinite."""

    def update(self) -> None:
        """Adapt the scale."""

    def get_scale(self) -> float:
        """Return the scale."""


Scaler = TypeVar("Scaler", bound=LossScaler)
SUSPECT = 8.0  # how many times longer than the second a first gradient may be without a look for a scaler


def backward(loss: Tensor, scaler: LossScaler | None) -> None:
    """Run the backward pass of a loss, scaled if there is a scaler."""
    (loss if scaler is None else scaler.scale(loss)).backward()


def take_step(optimizer: Optimizer, scaler: LossScaler | None) -> None:
    """Step the optimizer, by the scaler if there is one."""
    if scaler is None:
        optimizer.step()
        return
    scaler.step(optimizer)
    scaler.update()


def loss_scale_of(scaler: LossScaler | None, optimizer: Optimizer) -> float:
    """Return the scale of the current gradients; ``RuntimeError`` if the scaler has unscaled them already."""
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


def is_active(scaler: Scaler | None) -> TypeGuard[Scaler]:
    """Return True if there is a scaler and it is enabled."""
    return scaler is not None and (not hasattr(scaler, "is_enabled") or bool(scaler.is_enabled()))


def stage_of(scaler: LossScaler, optimizer: Optimizer) -> OptState:
    """Return the stage of a scaler for an optimizer since its last update: ready, unscaled or stepped."""
    state = getattr(scaler, "_per_optimizer_states", {}).get(id(optimizer))
    return OptState.READY if state is None else state["stage"]


def unscale(optimizer: Optimizer) -> bool:
    """Unscale gradients that a GradScaler leaves to a fused optimizer; return True if the step will be skipped."""
    scale, infinite = getattr(optimizer, "grad_scale", None), getattr(optimizer, "found_inf", None)
    if infinite is not None and bool(infinite):
        return True
    if scale is not None:
        torch._foreach_div_(
            [each.grad for each in optimized_parameters(optimizer) if each.grad is not None], float(scale)
        )
        optimizer.grad_scale = None  # type: ignore[attr-defined]  # it is the scaler's, who removes it
    return False


def check_unscaled_lengths(first: float, second: float) -> None:
    """Raise ``RuntimeError`` if the first gradient was scaled by a scaler that ``ascend`` was not given.

    The ratio of both gradients' norms tells. Of several scalers in the process it is the one whose scale is nearest, if
    the ratio lies between the root and the square of that scale: there, it is nearer than no scale, or its use twice.
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
    """Yield the scales above 1 of all scalers in the process that have scaled a loss."""
    scalers = (each for each in gc.get_objects() if issubclass(type(each), GradScaler))  # isinstance runs proxies' code
    for each in scalers:
        if is_active(each) and each._scale is not None and (scale := float(each.get_scale())) > 1:
            yield scale


def check_scaled_lengths(first: float, second: float, scale: float) -> None:
    """Raise ``RuntimeError`` if one of both gradients was scaled twice, or not at all.

    The ratio of their norms tells.
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


def check_stepping_scaler(given: LossScaler | None, optimizer: Optimizer, *, scaled_alike: bool) -> None:
    """Raise ``RuntimeError`` if the step is taken by another scaler than the one that ``ascend`` was given.

    ``scaled_alike``: the closure has scaled the second gradient by itself, and nothing was added to it.
    """
    stepping = stepping_scaler()
    if stepping is given or (given is None and scaled_alike):
        return
    if stepping is None and given is not None and stage_of(given, optimizer) is OptState.UNSCALED:
        return
    if given is None:
        problem = "a GradScaler takes this step, and handle.ascend was not told of it: handle.ascend(closure, scaler)"
    elif stepping is None:
        problem = "handle.ascend has scaled the gradients by its scaler, and nobody has unscaled them: scaler.step(...)"
    else:
        problem = "this step is taken by another GradScaler than the one that handle.ascend was given"
    raise StateError(problem)


def stepping_scaler() -> GradScaler | None:
    """Return the scaler whose ``step`` is on the call stack; ``None`` if there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "step" and isinstance(found := frame.f_locals.get("self"), GradScaler):
            return found if is_active(found) else None
        frame = frame.f_back
    return None
