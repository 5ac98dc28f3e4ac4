"""A trial of a user's module under torch.func, before anything is trained, as the training will run it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.autograd.graph import Node

from bridle.engine.block import REESTIMATE, SECOND_PASS, TRAIN, ForwardContext
from bridle.engine.hooked import CHECKPOINTED
from bridle.engine.module_block import ModuleBlock
from bridle.engine.noise import StackNoise
from bridle.engine.precision import Precision
from bridle.engine.tracing import TracedModule
from bridle.engine.variant_grids import VariantGrid
from bridle.errors import InputError
from bridle.recipe import Recipe
from bridle_audit.probe.randomness import generators_restored
from bridle_audit.wording import error_message

__all__ = ["ROWS", "stacking_obstacle"]

ROWS = 8  # of a trial


def stacking_obstacle(
    factory: Callable[[], nn.Module], traced: TracedModule, rows: Tensor, precision: Precision
) -> str:
    """Return the reason why copies of the module cannot be trained as one program; empty where they can.

    ``ValueError`` where not even one of them can be trained.
    """

    def block(seeds: tuple[int, ...], *, stacked: bool) -> ModuleBlock:
        grid = VariantGrid(seeds, (Recipe(),))
        return ModuleBlock.start(grid, precision, traced, factory=factory, stacked=stacked)

    alone = block((0,), stacked=False)
    found = solo_obstacle(alone, rows)
    if found:
        return found
    del alone
    together = block((0, 1), stacked=True)
    try:
        with generators_restored():
            trial_steps(together, rows)
    except Exception as error:  # torch.func, and the user's code under it, may raise anything
        return error_message(error).partition("\n")[0].partition(". ")[0]
    return "it keeps what passes through it" if leaks_batched_tensors(together.hooked.module) else ""


def solo_obstacle(alone: ModuleBlock, rows: Tensor) -> str:
    """Return the reason why a module must be trained alone; ``ValueError`` where it cannot be trained at all."""
    assert alone.module_rng is not None
    before, state = alone.module_rng.position, alone.state
    noise = StackNoise(alone.grid.seeds, alone.precision)
    try:
        trial_steps(alone, rows)
        outputs = []
        for _ in range(2):
            alone.state = state
            outputs.append(alone.forward(expand_to_seeds(rows, 1), ForwardContext(TRAIN, noise)).detach())
    except Exception as error:  # whatever the user's code may raise
        raise InputError(
            f"the network cannot take a training step on a batch of shape {tuple(rows.shape)}: {error_message(error)}"
        ) from error
    if alone.module_rng.position != before:
        return "it draws random numbers of its own"
    first, again = outputs
    same = torch.allclose(first, again, equal_nan=True)
    return "" if same else "it gives the same batch other outputs each time"


def trial_steps(block: ModuleBlock, rows: Tensor) -> None:
    """Run what happens in training: steps with their gradients, statistics, an evaluation."""
    seeds = block.grid.seeds
    noise = StackNoise(seeds, block.precision)
    for mode in (TRAIN, SECOND_PASS):
        with torch.autograd.graph.disable_saved_tensors_hooks(CHECKPOINTED):  # checkpointing, unless it is reentrant
            z = block.forward(expand_to_seeds(rows, len(seeds)), ForwardContext(mode, noise))
        if not z.requires_grad:
            raise InputError("no gradient leads from its outputs to its parameters")
        if uses_reentrant_checkpointing(z):
            raise InputError(CHECKPOINTED)
        torch.autograd.grad(z.sum(), list(block.parameters.values()), allow_unused=True)
    with torch.no_grad():
        block.forward(expand_to_seeds(rows, len(seeds)), ForwardContext(REESTIMATE))
    block.predict(rows)
    block.unit_ranges(rows)


def uses_reentrant_checkpointing(z: Tensor) -> bool:
    """Return True where reentrant checkpointing has a part in the outputs' graph."""
    waiting = [z.grad_fn]
    met: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in met:
            met.add(node)
            waiting += [each for each, _ in node.next_functions]
    return any(node.name() == "CheckpointFunctionBackward" for node in met)


def expand_to_seeds(rows: Tensor, seeds: int) -> Tensor:
    """Return rows (rows, ...) as a block takes them, (seeds, 1, rows, features)."""
    return rows.flatten(1).expand(seeds, 1, len(rows), -1)


def leaks_batched_tensors(module: nn.Module) -> bool:
    """Return True where a pass of several copies has left tensors of all of them in the module."""
    return any(holds_batched_tensor(value) for part in module.modules() for value in vars(part).values())


def holds_batched_tensor(value: object) -> bool:
    """Return True for a tensor batched by vmap, and for a container that holds one."""
    if isinstance(value, Tensor):
        return bool(is_functorch_wrapped_tensor(value))
    if isinstance(value, dict):
        return any(map(holds_batched_tensor, value.values()))
    return isinstance(value, list | tuple) and any(map(holds_batched_tensor, value))
