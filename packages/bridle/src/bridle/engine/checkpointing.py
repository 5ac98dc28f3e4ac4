"""A stack in training, saved now and then so that it can go on from there, in another process as well, bit for bit."""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol, TypedDict

import torch
from torch import Tensor

from bridle.engine.block import Block
from bridle.engine.block_training import BlockTraining
from bridle.engine.module_block import ModuleBlock
from bridle.engine.recording import Recorder
from bridle.engine.stack import Stack
from bridle.engine.stack_optimizer import StackOptimizer
from bridle.engine.stopping import BestEpoch, StackStopping
from bridle.engine.timing import timed
from bridle.engine.value_names import ValueName, Values
from bridle.engine.variant_grids import VariantGrid
from bridle.errors import InputError
from bridle.protocol import Variant
from bridle.training_rules import EpochChoice
from bridle_audit.probe.randomness import GeneratorStates

__all__ = ["CheckpointStore", "Checkpointer", "UnfinishedStack"]

# A stack is saved at the end of the first epoch that ends so many seconds or more after it was last saved. Earlier at
# its beginning, so that an early end loses half of it at most: after one second, two, four ...
SECONDS_BETWEEN_SAVES = 20.0
SECONDS_BEFORE_THE_FIRST = 1.0

# What a state whose checksum is right may still not fit with: another network, a factory that has changed.
RESTORE_ERRORS = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    RuntimeError,
    EOFError,
    pickle.UnpicklingError,
)


PlainName = tuple[str, tuple[str, ...], str, int]  # a ValueName in a file


class SavedBest(TypedDict):
    """The best epoch of a variant, in a file."""

    states: list[list[float]]
    score: float
    epoch: int
    passed: float
    names: list[PlainName]


class SavedBlock(TypedDict):
    """A block, in a file: its grid, all that it trains and keeps, and how far it is."""

    seeds: list[int]
    recipes: list[str]
    rates: list[float | None]
    parameters: dict[PlainName, Tensor]
    state: dict[PlainName, Tensor]
    best_values: dict[PlainName, Tensor]
    moments: dict[PlainName, dict[str, Tensor]]  # of the optimizer, by kind
    passed: float
    seconds: float
    module_rng: list[Any] | None  # GeneratorStates: the random numbers that a module draws by itself


class SavedStack(TypedDict):
    """A stack between two epochs, in a file."""

    done: int
    seconds: float
    noise: list[dict[int, list[int]]]
    blocks: list[SavedBlock]
    curves: list[dict[str, list[float]]]
    bests: list[SavedBest | None]


class UnfinishedStack(NamedTuple):
    """A stack of an earlier session."""

    members: list[Variant]  # those that it began with
    trains: set[Variant]  # those that it still trains


class CheckpointStore(Protocol):
    """A store of the states of unfinished stacks."""

    def unfinished(self, missing: Collection[Variant]) -> list[UnfinishedStack]:
        """Return the stacks of earlier sessions that train some of the missing; none of these twice."""

    def load(self, members: Sequence[Variant]) -> bytes:
        """Return the state of a stack; empty where there is none."""

    def save(
        self, members: Sequence[Variant], training: Sequence[Variant], epoch: int, steps: int, state: bytes
    ) -> None:
        """Keep a state in place of the one before."""

    def refuse(self, members: Sequence[Variant], problem: Exception) -> None:
        """Take note that a state cannot be restored."""

    def drop(self, members: Sequence[Variant]) -> None:
        """Forget a stack that is finished."""


class Checkpointer:
    """Saves and restores one stack; does nothing without a store."""

    def __init__(self, checkpoints: CheckpointStore | None, members: Sequence[Variant]) -> None:
        self.checkpoints, self.members = checkpoints, members
        self.began = self.last = time.perf_counter()

    def restore(self, stack: Stack, recorder: Recorder, stopping: StackStopping) -> bool:
        """Restore the stack if it was saved; False, and a stack that cannot be used, where the state does not fit."""
        if self.checkpoints is None or not (content := self.checkpoints.load(self.members)):
            return True
        try:
            restore_stack(content, stack, recorder, stopping)
        except RESTORE_ERRORS as problem:
            self.checkpoints.refuse(self.members, problem)
            return False
        return True

    def after_epoch(self, stack: Stack, recorder: Recorder, stopping: StackStopping, epoch: int) -> None:
        """Save the stack if it is time."""
        wait = min(SECONDS_BETWEEN_SAVES, max(SECONDS_BEFORE_THE_FIRST, self.last - self.began))
        if self.checkpoints is None or time.perf_counter() - self.last < wait:
            return
        with timed(stack):
            training = stack.variants
            state = dump_stack(stack, recorder, stopping)
            self.checkpoints.save(self.members, training, epoch, stack.steps_done * len(training), state)
        self.last = time.perf_counter()


def dump_stack(stack: Stack, recorder: Recorder, stopping: StackStopping) -> bytes:
    """Serialize all that the rest of the training depends on, between two epochs."""
    state: SavedStack = {
        "done": stack.steps_done,
        "seconds": stack.seconds,
        "noise": [stream.positions() for stream in stack.noise.streams],
        "blocks": [block_to_dict(training, stack.optimizer) for training in stack.trainings],
        "curves": [dict(recorder.curves[variant]) for variant in stack.variants],
        "bests": [best_epoch_to_dict(stopping.bests.get(variant)) for variant in stack.variants],
    }
    written = io.BytesIO()
    torch.save(state, written)
    return written.getvalue()


def block_to_dict(training: BlockTraining, optimizer: StackOptimizer) -> SavedBlock:
    """Return a block's grid, parameters, their moments in the optimizer, and state, in the block's own layout."""
    block = training.block
    return {
        "seeds": list(block.grid.seeds),
        "recipes": [str(recipe) for recipe in block.grid.recipes],
        "rates": list(block.grid.rates),
        "parameters": with_plain_keys(block.parameters),
        "state": with_plain_keys(block.state),
        "best_values": with_plain_keys(training.best_values),
        "moments": {
            plain_name(name): {kind: cpu_copy(each) for kind, each in optimizer.state(parameter).items()}
            for name, parameter in block.parameters.items()
        },
        "passed": block.passed,
        "seconds": training.seconds,
        "module_rng": module_rng(block),
    }


def module_rng(block: Block) -> list[object] | None:
    """Return the position of the random numbers that a module draws by itself."""
    return list(block.module_rng.position) if isinstance(block, ModuleBlock) and block.module_rng else None


def best_epoch_to_dict(best: BestEpoch | None) -> SavedBest | None:
    """Return a variant's best epoch as plain data."""
    if best is None:
        return None
    return {
        "states": [list(map(float, each)) for each in best.choice.states],
        "score": best.choice.score,
        "epoch": best.epoch,
        "passed": best.passed,
        "names": list(map(plain_name, best.names)),
    }


def with_plain_keys(values: Values) -> dict[PlainName, Tensor]:
    """Return values under plain tuples: a file is read back without any class of ours."""
    return {plain_name(name): cpu_copy(tensor) for name, tensor in values.items()}


def plain_name(name: ValueName) -> PlainName:
    """Return a name as a plain tuple."""
    return (name.tensor, name.fields, name.copied_by, name.number)


def with_value_names(values: dict[PlainName, Tensor]) -> Values:
    """Return values under their names, as before :func:`with_plain_keys`."""
    return {ValueName(*name): tensor for name, tensor in values.items()}


def cpu_copy(tensor: Tensor) -> Tensor:
    """Copy a tensor to the CPU, without the rest of the memory of which it may be a part."""
    return tensor.detach().cpu().clone()


def restore_stack(content: bytes, stack: Stack, recorder: Recorder, stopping: StackStopping) -> None:
    """Restore a stack of the same members that has not begun; raises one of ``RESTORE_ERRORS`` if it does not fit."""
    state: SavedStack = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    trainings = [restore_block(stack, each) for each in state["blocks"]]
    per_epoch = stack.batches.per_epoch
    if state["done"] % per_epoch or not 0 < state["done"] <= stack.steps:
        raise InputError("it was not saved at the end of an epoch")
    stack.trainings = trainings
    stack.optimizer = StackOptimizer(stack.blocks, stack.protocol)
    for training, saved in zip(trainings, state["blocks"], strict=True):
        for name, parameter in training.block.parameters.items():
            for kind, tensor in saved["moments"][plain_name(name)].items():
                stack.optimizer.restore(parameter, kind, tensor.to(parameter.device).clone())
    stack.steps_done, stack.seconds = state["done"], state["seconds"]
    stack.batches.skip(state["done"] // per_epoch)
    for stream, positions in zip(stack.noise.streams, state["noise"], strict=True):
        stream.seek(positions)
    for variant, curves, best in zip(stack.variants, state["curves"], state["bests"], strict=True):
        recorder.curves[variant].update(curves)
        if best is not None:
            states, names = [tuple(each) for each in best["states"]], tuple(ValueName(*each) for each in best["names"])
            choice = EpochChoice(states, best["score"], best["epoch"])
            stopping.bests[variant] = BestEpoch(choice, best["passed"], names)


def restore_block(stack: Stack, saved: SavedBlock) -> BlockTraining:
    """Restore a block; its optimizer's moments come when all blocks are there."""
    recipes = {str(variant.recipe): variant.recipe for variant in stack.variants}
    grid = VariantGrid(tuple(saved["seeds"]), tuple(recipes[each] for each in saved["recipes"]), tuple(saved["rates"]))
    if not set(grid.variants) <= set(stack.variants):
        raise InputError("it has runs that the stack does not have")
    training = stack.prepare(stack.start(grid), {})
    block = training.block
    parameters, state, best = (with_value_names(saved[kind]) for kind in ("parameters", "state", "best_values"))
    check_same_tensors(parameters, block.parameters, block.parameters)
    check_same_tensors(state, block.state, [*block.state, *filter(block.is_ensemble_copy, state)])
    if best:
        check_same_tensors(best, block.parameters, [*block.parameters, *state])
    with torch.no_grad():
        for name, parameter in block.parameters.items():
            parameter.copy_(parameters[name])
    device = block.precision.device
    block.state = {name: tensor.to(device).clone() for name, tensor in state.items()}
    training.best_values = {name: tensor.to(device).clone() for name, tensor in best.items()}
    block.passed, training.seconds = saved["passed"], saved["seconds"]
    if isinstance(block, ModuleBlock) and block.module_rng:
        block.module_rng.position = GeneratorStates(*(saved["module_rng"] or ()))
    return training


def check_same_tensors(saved: Values, fresh: Values, names: Collection[ValueName]) -> None:
    """Raise ``ValueError`` where saved tensors are not called, or shaped, as those of a network that begins."""
    if set(saved) != set(names):
        raise InputError(
            f"the network has other parts than it had: {', '.join(sorted(set(map(str, set(saved) ^ set(names)))))}"
        )
    for name, tensor in fresh.items():
        if (saved[name].shape, saved[name].dtype) != (tensor.shape, tensor.dtype):
            raise InputError(f"{name} has another shape or precision than it had")
