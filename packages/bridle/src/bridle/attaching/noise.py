"""The noise of an attached recipe, of torch's generators or of the streams of a seed.

Both have ``draw`` (the noise of a formula), ``next_batch`` (begin another batch), ``mark`` and ``replay`` (a second
pass with the noise of the first), ``fresh`` (a second pass with other noise), and a state to save.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from bridle import seeded_draws
from bridle.noise_streams import SECOND_PASS_OFFSET
from bridle.places import Draw
from bridle.places.activation_checkpointing import as_first
from bridle.places.matrices import at_least_float32
from bridle.places.module import from_torch
from bridle.recipe import Recipe
from bridle_audit.probe.randomness import generators_restored

__all__ = ["SeedNoise", "SharedNoise", "TorchNoise", "is_distributed", "layer_noise", "parameter_noise"]

Ticks = dict[tuple[int, int], np.ndarray]  # what was drawn, by stream and length
RANKS = 2**44  # streams that one process of several has: more than there are in a network, second passes included


class TorchNoise:
    """torch's own generators, with the rules of ``torch.manual_seed``; saving them is up to the user."""

    def __init__(self, devices: Sequence[torch.device]) -> None:
        self.devices = [device for device in devices if device.type != "cpu"]

    def draw(self, declared: Sequence[Draw], stream_id: int, subject: Tensor) -> list[Tensor]:
        """Draw the declared noise for a subject."""
        return from_torch(declared, stream_id, subject)

    def next_batch(self) -> None:
        """Do nothing: no noise is kept from batch to batch."""

    def mark(self) -> list[Tensor]:
        """Return the states of the generators."""
        others = [torch.get_device_module(device).get_rng_state(device) for device in self.devices]
        return [torch.get_rng_state(), *others]

    @contextmanager
    def replay(self, mark: list[Tensor]) -> Iterator[None]:
        """Draw the noise that followed the mark within the context; then restore the generators."""
        before = self.mark()
        self.go_to(mark)
        try:
            yield
        finally:
            self.go_to(before)

    def go_to(self, mark: list[Tensor]) -> None:
        """Set the states of the generators."""
        torch.set_rng_state(mark[0])
        for device, state in zip(self.devices, mark[1:], strict=True):
            torch.get_device_module(device).set_rng_state(state, device)

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Draw new noise within the context, as always."""
        yield

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing: there is no state."""


class SeedNoise:
    """The streams of one seed (:mod:`bridle.seeded_draws`), as the engine draws them.

    The noise of a batch is kept until the next, so that all passes of one batch see the same noise. ``rank`` is that of
    a process among several: each has its own streams, the first those of the engine. ``other`` is the noise that the
    model draws by itself, which a second pass repeats, too.
    """

    def __init__(self, seed: int, other: TorchNoise, rank: int = 0) -> None:
        self.stream = seeded_draws.Noise(seed)
        self.other = other
        self.offset = rank * RANKS
        self.ticks: Ticks = {}
        # Where the model is compiled, NumPy draws outside of its graphs.
        self.outside = torch.compiler.disable(SeedNoise.all)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "outside"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.outside = torch.compiler.disable(SeedNoise.all)

    def draw(self, declared: Sequence[Draw], stream_id: int, subject: Tensor) -> list[Tensor]:
        """Draw the declared noise for a subject; ``stream_id`` is the first of its streams."""
        drawn: list[Tensor] = self.outside(self, declared, stream_id, subject)
        return drawn

    def all(self, declared: Sequence[Draw], stream_id: int, subject: Tensor) -> list[Tensor]:
        """Draw all arrays of noise; a recomputation gets those of its pass."""
        batch, offset = as_first(self, (self.ticks, self.offset))
        return [self.one(each, stream_id + offset + number, subject, batch) for number, each in enumerate(declared)]

    def one(self, draw: Draw, stream_id: int, subject: Tensor, batch: Ticks) -> Tensor:
        """Draw one array of noise."""
        shape, stream = draw.shape(tuple(subject.shape)), draw.stream(stream_id)
        key = stream, math.prod(shape)
        if key not in batch:
            batch[key] = self.stream.ticks(stream, *shape)
        ticks = batch[key].reshape(shape)
        numbers = ticks / seeded_draws.TICKS if draw.kind == "uniform" else seeded_draws.normal_quantiles()[ticks]
        return torch.from_numpy(numbers).to(subject.device, at_least_float32(subject.dtype))

    def next_batch(self) -> None:
        """Forget the noise of the last batch."""
        self.ticks = {}

    def mark(self) -> tuple[Ticks, list[Tensor]]:
        """Return the noise of this batch."""
        return self.ticks, self.other.mark()

    @contextmanager
    def replay(self, mark: tuple[Ticks, list[Tensor]]) -> Iterator[None]:
        """Draw the noise of the marked batch within the context."""
        before = self.ticks
        self.ticks, other = mark
        try:
            with self.other.replay(other):
                yield
        finally:
            self.ticks = before

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Draw the noise of a second pass within the context."""
        self.offset += SECOND_PASS_OFFSET
        try:
            yield
        finally:
            self.offset -= SECOND_PASS_OFFSET

    def state_dict(self) -> dict[str, Any]:
        """Return the positions of all streams."""
        return {str(stream): bits.state["state"]["state"].tolist() for stream, bits in self.stream.bits.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the positions of all streams."""
        self.next_batch()
        self.stream.bits = {}
        for stream, words in state.items():
            bits = np.random.SFC64()
            bits.state = {**bits.state, "state": {"state": np.array(words, dtype=np.uint64)}}
            self.stream.bits[int(stream)] = bits


class SharedNoise:
    """A generator for noise on parameters, with the same seed in all processes that train one network."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.generators: dict[str, torch.Generator] = {}

    def draw(self, declared: Sequence[Draw], stream_id: int, subject: Tensor) -> list[Tensor]:
        """Draw the declared noise for a subject."""
        del stream_id  # one stream for all
        return [self.one(each, subject) for each in declared]

    def one(self, draw: Draw, subject: Tensor) -> Tensor:
        """Draw one array of noise."""
        make = torch.rand if draw.kind == "uniform" else torch.randn
        shape, device = draw.shape(tuple(subject.shape)), subject.device
        return make(shape, generator=self.generator(device), device=device, dtype=at_least_float32(subject.dtype))

    def next_batch(self) -> None:
        """Do nothing: no noise is kept from batch to batch."""

    def generator(self, device: torch.device) -> torch.Generator:
        """Return the generator of a device."""
        if str(device) not in self.generators:
            self.generators[str(device)] = torch.Generator(device).manual_seed(self.seed)
        return self.generators[str(device)]

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the generators."""
        return {"seed": self.seed, **{device: each.get_state() for device, each in self.generators.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the states of the generators."""
        self.seed = state["seed"]
        self.generators = {}
        for device, each in state.items():
            if device != "seed":
                self.generator(torch.device(device)).set_state(each.cpu())


def layer_noise(model: nn.Module, seed: int | None) -> TorchNoise | SeedNoise:
    """Return the noise of batches and layers, which differs between processes."""
    by_itself = TorchNoise(list({each.device: None for each in model.parameters()}))
    if seed is None:
        return by_itself
    return SeedNoise(seed, by_itself, dist.get_rank() if is_distributed() else 0)


def parameter_noise(model: nn.Module, recipe: Recipe, seed: int | None) -> SeedNoise | SharedNoise:
    """Return the noise of parameters, which is the same in all processes."""
    if seed is not None:
        return SeedNoise(seed, TorchNoise([]))
    if not any(unit.noise for unit in (*recipe.at("gradient"), *recipe.at("weight"))):
        return SharedNoise(0)  # nobody draws from it, and the user's generator stays where it is
    with generators_restored():  # a number that the user's generator has yet to give out
        agreed = torch.randint(2**62, (1,)).to(next(model.parameters()).device)
    if is_distributed():
        dist.broadcast(agreed, 0)
    return SharedNoise(int(agreed))


def is_distributed() -> bool:
    """Return True if several processes train one network."""
    return dist.is_available() and dist.is_initialized()
