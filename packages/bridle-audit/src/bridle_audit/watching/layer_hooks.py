"""Hooks that count the calls of the layers whose two modes differ: dropouts, and norms with batch statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from bridle_audit.probe.layers import drop_rate
from bridle_audit.watching.counters import WatchedPass
from bridle_audit.watching.events import Event, EventLog
from bridle_audit.watching.hook import Hook
from bridle_audit.watching.record import LayerRecord

__all__ = ["DropoutHook", "NormHook", "make_layer_hooks"]

RATE_NAMES = ("p", "drop_prob", "rate", "drop_rate", "dropout")  # as layers call the share that they drop
WITH_DROPOUT_INSIDE = (nn.MultiheadAttention, nn.RNNBase)  # their dropout is no module
FEW = 2  # rows, or values per channel, of which a batch norm's output is next to nothing
LEAST_VARIANCE = 1e-12


@runtime_checkable
class SelfDescribed(Protocol):
    """A layer that declares what it does in training mode, as those that bridle attaches do."""

    knobs: Mapping[str, object]
    is_random: bool
    tracks_statistics: bool


def make_layer_hooks(model: nn.Module, log: EventLog) -> Iterator[tuple[nn.Module, DropoutHook | NormHook]]:
    """Yield the layers that are watched, with their hooks, in the model's order."""
    for name, module in model.named_modules():
        if keeps_statistics(module):
            yield module, NormHook(name, module, norm_parameters(model, name), log)
        elif drops_at_random(module):
            yield module, DropoutHook(name, module, log)


def keeps_statistics(module: nn.Module) -> bool:
    """Return True if a module keeps running statistics of its batches, or could; frozen forms of norms do not."""
    if isinstance(module, _NormBase):
        return isinstance(module, _BatchNorm) or module.track_running_stats
    if isinstance(module, SelfDescribed):
        return module.tracks_statistics
    remembers = "running_mean" in module._buffers
    return remembers and ("num_batches_tracked" in module._buffers or "momentum" in vars(module))


def drops_at_random(module: nn.Module) -> bool:
    """Return True if a module drops at random in training mode, or could: dropout, drop-path, attention, LSTM."""
    if isinstance(module, SelfDescribed):
        return module.is_random
    if isinstance(module, nn.RNNBase) and module.num_layers < 2:
        return False  # its dropout lies between its layers
    if isinstance(module, WITH_DROPOUT_INSIDE):
        return True
    return drop_rate(module) is not None and next(module.children(), None) is None


def norm_parameters(model: nn.Module, name: str) -> list[nn.Parameter]:
    """Return a norm's own parameters; those of the part of the model that it is in, if it has none."""
    while True:
        held = list(model.get_submodule(name).parameters())
        if held or not name:
            return held
        name = name.rpartition(".")[0]


class DropoutHook(Hook):
    """Counts the calls of a dropout."""

    def __init__(self, name: str, module: nn.Module, log: EventLog) -> None:
        self.name, self.type, self.module = name, type(module).__name__, module
        self.events = log.events
        self.training_calls = self.evaluation_calls = self.no_grad_calls = 0
        self.rate_name = next((each for each in RATE_NAMES if each in vars(module)), "")

    def __call__(self, module: nn.Module, args: tuple[object, ...]) -> None:
        """Note a call, before it is made."""
        if is_dynamo_compiling():
            return
        self.events.append((self, torch.is_grad_enabled(), module.training))

    def count(self, it: WatchedPass, event: Event) -> None:
        """Count a call within a pass."""
        if self.rate_name and not vars(self.module)[self.rate_name]:
            return  # it drops nothing
        if not event[2]:
            it.idle_layers += 1
            self.evaluation_calls += it.learns
        else:
            it.active_layers += 1
            self.training_calls += it.learns
            self.no_grad_calls += not it.learns

    @property
    def record(self) -> LayerRecord:
        """The counts so far."""
        rate = vars(self.module).get(self.rate_name)
        if isinstance(self.module, SelfDescribed):
            rate = self.module.knobs.get("rate")
        known = float(rate) if isinstance(rate, int | float) else None
        calls = (self.training_calls, self.evaluation_calls, self.no_grad_calls)
        return LayerRecord(self.name, "dropout", self.type, known, *calls)


class NormHook(Hook):
    """Counts the calls of a norm with statistics of the batch, and what they did to it."""

    def __init__(self, name: str, module: nn.Module, parameters: list[nn.Parameter], log: EventLog) -> None:
        self.name, self.type, self.module, self.parameters = name, type(module).__name__, module, parameters
        self.events = log.events
        self.counts_rows = isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm)
        self.momentum = vars(module).get("momentum", 1.0)
        self.mean = module._buffers.get("running_mean")
        self.last_mean: Tensor | None = None  # the running mean in the last call, or what stood in its place
        self.training_calls = self.evaluation_calls = self.no_grad_calls = 0
        self.frozen_batches = self.few_row_batches = self.few_value_batches = 0
        self.fewest_rows: int | None = None
        self.fewest_values: int | None = None
        self.start: tuple[Tensor, Tensor] | None = None  # mean and variance before the first frozen batch

    def __call__(self, module: nn.Module, args: tuple[object, ...]) -> None:
        """Note a call, before it is made."""
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

    def count(self, it: WatchedPass, event: Event) -> None:
        """Count a call within a pass."""
        _, _, training, momentum, mean, shape, frozen = event
        if not training:
            it.idle_layers += self.mean is not None  # without running statistics both modes are the same
            self.evaluation_calls += it.learns
            return
        updates = momentum != 0 and self.updates(mean)
        it.active_layers += self.mean is not None
        it.statistics_updates += updates
        if momentum is None or momentum != self.momentum:
            it.estimates_statistics = True
        if not it.learns:
            self.no_grad_calls += 1
            return
        self.training_calls += 1
        self.frozen_batches += frozen and updates
        if self.counts_rows and shape is not None:
            self.count_values(shape)

    def count_values(self, shape: torch.Size) -> None:
        """Count the rows and the values per channel of a batch of shape (rows, channels, ...)."""
        rows, values = shape[0], shape.numel() // max(shape[1], 1)
        self.fewest_rows = min(rows, self.fewest_rows or rows)
        self.fewest_values = min(values, self.fewest_values or values)
        self.few_row_batches += rows <= FEW
        self.few_value_batches += values <= FEW

    def updates(self, mean: Tensor | None) -> bool:
        """Return True if a call updates the running mean, and not a copy that stands in its place for a while."""
        if mean is not None and mean is not self.mean and mean is self.last_mean:
            self.mean = mean  # the model was moved to another device, or given new buffers
        self.last_mean = mean
        return mean is not None and mean is self.mean

    def is_frozen(self) -> bool:
        """Return True if the norm's own parameters are frozen; asked at calls whose input needs no gradient."""
        if not self.parameters or any(each.requires_grad for each in self.parameters):
            return False
        if self.start is None and self.mean is not None:
            var = self.module._buffers.get("running_var")
            self.start = self.mean.clone(), torch.ones_like(self.mean) if var is None else var.clone()
        return True

    @property
    def shift(self) -> float:
        """The movement of the running mean since the first frozen batch, in standard deviations."""
        if self.start is None or self.mean is None:
            return 0.0
        mean, var = self.start
        with torch.no_grad():
            moved = (self.mean.to(mean.device) - mean).double().square() / var.double().clamp(min=LEAST_VARIANCE)
            return float(moved.mean().sqrt())

    @property
    def record(self) -> LayerRecord:
        """The counts so far; batches count as frozen only if nothing trained has ever fed the norm."""
        frozen = self.frozen_batches if self.frozen_batches == self.training_calls else 0
        return LayerRecord(
            self.name,
            "norm",
            self.type,
            training_calls=self.training_calls,
            evaluation_calls=self.evaluation_calls,
            no_grad_calls=self.no_grad_calls,
            frozen_batches=frozen,
            shift=self.shift if frozen else 0.0,
            fewest_rows=self.fewest_rows,
            fewest_values=self.fewest_values,
            few_row_batches=self.few_row_batches,
            few_value_batches=self.few_value_batches,
        )
