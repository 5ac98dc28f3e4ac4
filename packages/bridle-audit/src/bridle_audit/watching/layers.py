"""The layers that act in another way in training mode, each with a hook that counts its calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from bridle_audit.probe.layers import drop_rate
from bridle_audit.watching.hook import Hook
from bridle_audit.watching.passes import Event, Pass, Passes
from bridle_audit.watching.record import LayerSeen

RATES = ("p", "drop_prob", "rate", "drop_rate", "dropout")
WITHIN = (nn.MultiheadAttention, nn.RNNBase)  # with dropout inside, which is no module
FEW = 2  # rows, or values per channel, of which a batch norm's output is next to nothing
SMALLEST = 1e-12  # of a variance


@runtime_checkable
class SelfDescribed(Protocol):
    """A layer that says itself what it does in training mode, as those that bridle attaches do."""

    knobs: Mapping[str, Any]
    is_random: bool
    tracks_statistics: bool


def layers_of(model: nn.Module, passes: Passes) -> Iterator[tuple[nn.Module, DropoutHook | NormHook]]:
    """The layers that are watched, with their hooks, in the model's order."""
    for name, module in model.named_modules():
        if is_norm(module):
            yield module, NormHook(name, module, norm_parameters(model, name), passes)
        elif is_dropout(module):
            yield module, DropoutHook(name, module, passes)


def is_norm(module: nn.Module) -> bool:
    """Whether it takes statistics from the batch and remembers them, or could; frozen forms of norms do not."""
    if isinstance(module, _NormBase):
        return isinstance(module, _BatchNorm) or module.track_running_stats
    if isinstance(module, SelfDescribed):
        return module.tracks_statistics
    remembers = "running_mean" in module._buffers
    return remembers and ("num_batches_tracked" in module._buffers or "momentum" in vars(module))


def is_dropout(module: nn.Module) -> bool:
    """Whether it is random in training mode, or could be: dropouts of all kinds, drop-path, attention's and LSTM's."""
    if isinstance(module, SelfDescribed):
        return module.is_random
    if isinstance(module, nn.RNNBase) and module.num_layers < 2:
        return False  # its dropout lies between its layers
    return isinstance(module, WITHIN) or (drop_rate(module) is not None and next(module.children(), None) is None)


def norm_parameters(model: nn.Module, name: str) -> list[nn.Parameter]:
    """A norm's own parameters; those of the part of the model that it is in, where it has none."""
    while True:
        held = list(model.get_submodule(name).parameters())
        if held or not name:
            return held
        name = name.rpartition(".")[0]


class DropoutHook(Hook):
    """Counts the calls of a dropout."""

    def __init__(self, name: str, module: nn.Module, passes: Passes) -> None:
        self.name, self.type, self.module = name, type(module).__name__, module
        self.events = passes.events
        self.trained = self.rested = self.quiet = 0
        self.key = next((each for each in RATES if each in vars(module)), "")

    def __call__(self, module: nn.Module, args: Any) -> None:
        """Before a call."""
        if is_dynamo_compiling():
            return
        self.events.append((self, torch.is_grad_enabled(), module.training))

    def called(self, it: Pass, event: Event) -> None:
        """Count a call within a pass."""
        if self.key and not vars(self.module)[self.key]:
            return  # it drops nothing
        if not event[2]:
            it.resting += 1
            self.rested += it.learns
        else:
            it.active += 1
            self.trained += it.learns
            self.quiet += not it.learns

    @property
    def seen(self) -> LayerSeen:
        """So far."""
        rate = vars(self.module).get(self.key)
        if isinstance(self.module, SelfDescribed):
            rate = self.module.knobs.get("rate")
        known = float(rate) if isinstance(rate, int | float) else None
        calls = (self.trained, self.rested, self.quiet)
        return LayerSeen(self.name, "dropout", self.type, known, *calls)


class NormHook(Hook):
    """Counts the calls of a norm with statistics of the batch, and what they did to it."""

    def __init__(self, name: str, module: nn.Module, parameters: list[nn.Parameter], passes: Passes) -> None:
        self.name, self.type, self.module, self.parameters = name, type(module).__name__, module, parameters
        self.events = passes.events
        self.counts_rows = isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm)
        self.momentum = vars(module).get("momentum", 1.0)
        self.mean = module._buffers.get("running_mean")
        self.other: Tensor | None = None  # what stood in the mean's place in the last call
        self.trained = self.rested = self.quiet = self.frozen = self.small = self.tiny = 0
        self.rows: int | None = None
        self.values: int | None = None
        self.start: tuple[Tensor, Tensor] | None = None  # mean and variance before the first frozen batch

    def __call__(self, module: nn.Module, args: Any) -> None:
        """Before a call."""
        if is_dynamo_compiling():
            return
        own, x, frozen = module.__dict__, args[0] if args else None, False
        if module.training and isinstance(x, Tensor) and not x.requires_grad:
            frozen = self.is_frozen()
        shape = x.shape if isinstance(x, Tensor) else None
        mean = own["_buffers"].get("running_mean") if own.get("track_running_stats", True) else None
        self.events.append(
            (self, torch.is_grad_enabled(), module.training, own.get("momentum", 1.0), mean, shape, frozen)
        )

    def called(self, it: Pass, event: Event) -> None:
        """Count a call within a pass."""
        _, _, training, momentum, mean, shape, frozen = event
        if not training:
            it.resting += self.mean is not None  # without running statistics both modes are the same
            self.rested += it.learns
            return
        moves = momentum != 0 and self.moves(mean)
        it.active += self.mean is not None
        it.moves += moves
        if momentum is None or momentum != self.momentum:
            it.estimates = True
        if not it.learns:
            self.quiet += 1
            return
        self.trained += 1
        self.frozen += frozen and moves
        if self.counts_rows and shape is not None:
            self.look_at(shape)

    def look_at(self, shape: torch.Size) -> None:
        """Note how much came in: (rows, channels, ...)."""
        rows, values = shape[0], shape.numel() // max(shape[1], 1)
        self.rows = min(rows, self.rows or rows)
        self.values = min(values, self.values or values)
        self.small += rows <= FEW
        self.tiny += values <= FEW

    def moves(self, mean: Tensor | None) -> bool:
        """Whether a call moves the running mean, and not a copy that stands in its place for a while."""
        if mean is not None and mean is not self.mean and mean is self.other:
            self.mean = mean  # the model was moved to another device, or given new buffers
        self.other = mean
        return mean is not None and mean is self.mean

    def is_frozen(self) -> bool:
        """Whether its own parameters are frozen, for a call whose input needs no gradient."""
        if not self.parameters or any(each.requires_grad for each in self.parameters):
            return False
        if self.start is None and self.mean is not None:
            var = self.module._buffers.get("running_var")
            self.start = self.mean.clone(), torch.ones_like(self.mean) if var is None else var.clone()
        return True

    @property
    def shift(self) -> float:
        """How far the running mean has moved since the first frozen batch."""
        if self.start is None or self.mean is None:
            return 0.0
        mean, var = self.start
        with torch.no_grad():
            moved = (self.mean.to(mean.device) - mean).double().square() / var.double().clamp(min=SMALLEST)
            return float(moved.mean().sqrt())

    @property
    def seen(self) -> LayerSeen:
        """So far; batches count as frozen only where something trained has never fed it."""
        frozen = self.frozen if self.frozen == self.trained else 0
        return LayerSeen(
            self.name,
            "norm",
            self.type,
            trained=self.trained,
            rested=self.rested,
            quiet=self.quiet,
            frozen=frozen,
            shift=self.shift if frozen else 0.0,
            fewest_rows=self.rows,
            fewest_values=self.values,
            small=self.small,
            tiny=self.tiny,
        )
