"""A stack in training, saved now and then so that it can go on from there, in another process as well, bit for bit."""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from bridle.engine.block import COPY, Block, Values
from bridle.engine.module_block import ModuleBlock
from bridle.engine.recording import Recorder
from bridle.engine.stack import Stack, Worker
from bridle.engine.stopping import Best, Stopping
from bridle.engine.variant_grids import Grid
from bridle.protocol import Variant
from bridle_audit.probe.randomness import Position

# A stack is saved at the end of the first epoch that ends so many seconds or more after it was last saved. Earlier at
# its beginning, so that an early end loses half of it at most: after one second, two, four ...
SECONDS_BETWEEN_SAVES = 20.0
SECONDS_BEFORE_THE_FIRST = 1.0

# What a state whose checksum is right may still not fit with: another network, a factory that has changed.
MISFITS = (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError, EOFError, pickle.UnpicklingError)


class Begun(NamedTuple):
    """A stack of an earlier session."""

    members: list[Variant]  # those that it began with
    trains: set[Variant]  # those that it still trains


class Keeper(Protocol):
    """Who keeps the states of unfinished stacks."""

    def begun(self, missing: Collection[Variant]) -> list[Begun]:
        """The stacks of earlier sessions that train some of the missing; none of these twice."""

    def load(self, members: Sequence[Variant]) -> bytes:
        """The state of a stack, if there is one."""

    def save(
        self, members: Sequence[Variant], training: Sequence[Variant], epoch: int, steps: int, state: bytes
    ) -> None:
        """Keep a state in place of the one before."""

    def refuse(self, members: Sequence[Variant], problem: Exception) -> None:
        """Hear that a state cannot be gone on from."""

    def drop(self, members: Sequence[Variant]) -> None:
        """Forget a stack that is finished."""


class Saving:
    """When one stack is saved; never without a keeper."""

    def __init__(self, keeper: Keeper | None, members: Sequence[Variant]) -> None:
        self.keeper, self.members = keeper, members
        self.began = self.last = time.perf_counter()

    def restore(self, stack: Stack, recorder: Recorder, stopping: Stopping) -> bool:
        """Have the stack as it was saved, if it was; False, and nothing to go on with, where that does not fit."""
        if self.keeper is None or not (content := self.keeper.load(self.members)):
            return True
        try:
            go_on(content, stack, recorder, stopping)
        except MISFITS as problem:
            self.keeper.refuse(self.members, problem)
            return False
        return True

    def after_epoch(self, stack: Stack, recorder: Recorder, stopping: Stopping, epoch: int) -> None:
        """Save the stack if it is time."""
        clock = time.perf_counter()
        wait = min(SECONDS_BETWEEN_SAVES, max(SECONDS_BEFORE_THE_FIRST, self.last - self.began))
        if self.keeper is None or clock - self.last < wait:
            return
        training = stack.variants
        state = state_of(stack, recorder, stopping)
        self.keeper.save(self.members, training, epoch, stack.done * len(training), state)
        self.last = time.perf_counter()
        stack.seconds += self.last - clock


def state_of(stack: Stack, recorder: Recorder, stopping: Stopping) -> bytes:
    """All that the rest of the training depends on, between two epochs."""
    blocks = [state_of_block(stack, worker.block) for worker in stack.workers]
    state = {
        "done": stack.done,
        "seconds": stack.seconds,
        "noise": [stream.positions() for stream in stack.noise.streams],
        "blocks": blocks,
        "curves": [dict(recorder.curves[variant]) for variant in stack.variants],
        "bests": [state_of_best(stopping.bests.get(variant)) for variant in stack.variants],
    }
    written = io.BytesIO()
    torch.save(state, written)
    return written.getvalue()


def state_of_block(stack: Stack, block: Block) -> dict[str, Any]:
    """A block's grid, its parameters with the optimizer's moments of them, and its state, in the block's own layout."""
    moments = {name: stack.optimizer.state[parameter] for name, parameter in block.parameters.items()}
    return {
        "seeds": list(block.grid.seeds),
        "recipes": [str(recipe) for recipe in block.grid.recipes],
        "parameters": {name: copied(tensor) for name, tensor in block.parameters.items()},
        "state": {name: copied(tensor) for name, tensor in block.state.items()},
        "moments": {
            name: {kind: copied(tensor) for kind, tensor in kinds.items() if tensor is not None}
            for name, kinds in moments.items()
        },
        "passed": block.passed,
        "seconds": block.seconds,
        "own numbers": own_numbers(block),
    }


def own_numbers(block: Block) -> list[Any] | None:
    """Where the random numbers stand that a module draws by itself."""
    return list(block.own_numbers.position) if isinstance(block, ModuleBlock) and block.own_numbers else None


def state_of_best(best: Best | None) -> dict[str, Any] | None:
    """The best epoch of a variant with early stopping."""
    if best is None:
        return None
    values = {name: copied(tensor) for name, tensor in best.values.items()}
    return {
        "states": [list(map(float, each)) for each in best.states],
        "epoch": best.epoch,
        "passed": best.passed,
        "values": values,
    }


def copied(tensor: Tensor) -> Tensor:
    """On the CPU, and without the rest of the memory of which it may be a part."""
    return tensor.detach().cpu().clone()


def go_on(content: bytes, stack: Stack, recorder: Recorder, stopping: Stopping) -> None:
    """Make a stack of the same members, which has not begun, what it was; raises one of ``MISFITS`` if it cannot be."""
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    workers = [block_again(stack, each) for each in state["blocks"]]
    per_epoch = stack.batches.per_epoch
    if state["done"] % per_epoch or not 0 < state["done"] <= stack.steps:
        raise ValueError("it was not saved at the end of an epoch")
    stack.workers = workers
    stack.optimizer = stack.new_optimizer()
    for worker, saved in zip(workers, state["blocks"], strict=True):
        moments_again(stack, worker.block, saved["moments"])
    stack.done, stack.seconds = state["done"], state["seconds"]
    stack.batches.skip(state["done"] // per_epoch)
    for stream, positions in zip(stack.noise.streams, state["noise"], strict=True):
        stream.go_to(positions)
    for variant, curves, best in zip(stack.variants, state["curves"], state["bests"], strict=True):
        recorder.curves[variant].update(curves)
        if best is not None:
            states = [tuple(each) for each in best["states"]]
            stopping.bests[variant] = Best(states, best["epoch"], best["passed"], best["values"])


def block_again(stack: Stack, saved: dict[str, Any]) -> Worker:
    """A block as it was saved."""
    recipes = {str(variant.recipe): variant.recipe for variant in stack.variants}
    grid = Grid(tuple(saved["seeds"]), tuple(recipes[each] for each in saved["recipes"]))
    if not set(grid.variants) <= set(stack.variants):
        raise ValueError("it has runs that the stack does not have")
    worker = stack.employ(stack.start(grid), {})
    block = worker.block
    check_alike(saved["parameters"], block.parameters, block.parameters)
    check_alike(
        saved["state"], block.state, [*block.state, *(name for name in saved["state"] if name.startswith(COPY))]
    )
    with torch.no_grad():
        for name, parameter in block.parameters.items():
            parameter.copy_(saved["parameters"][name])
    block.state = {name: tensor.to(block.precision.device).clone() for name, tensor in saved["state"].items()}
    block.passed, block.seconds = saved["passed"], saved["seconds"]
    if isinstance(block, ModuleBlock) and block.own_numbers:
        block.own_numbers.position = Position(*saved["own numbers"])
    return worker


def check_alike(saved: Values, fresh: Values, names: Collection[str]) -> None:
    """``ValueError`` where saved tensors are not called, or shaped, as those of a network that begins."""
    if set(saved) != set(names):
        raise ValueError(f"the network has other parts than it had: {', '.join(sorted(set(saved) ^ set(names)))}")
    for name, tensor in fresh.items():
        if (saved[name].shape, saved[name].dtype) != (tensor.shape, tensor.dtype):
            raise ValueError(f"{name} has another shape or precision than it had")


def moments_again(stack: Stack, block: Block, saved: dict[str, Values]) -> None:
    """The optimizer's moments as they were saved."""
    for name, parameter in block.parameters.items():
        for kind, tensor in saved[name].items():
            stack.optimizer.state[parameter][kind] = tensor.to(parameter.device).clone()
