"""What becomes of a user's module under torch.func: tried before anything is trained, as the training will run it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor

from bridle.engine.block import AGAIN, MEASURE, TRAIN, Pass
from bridle.engine.feed import Noise
from bridle.engine.hooked import RUN_AGAIN
from bridle.engine.module_block import ModuleBlock
from bridle.engine.precision import Precision
from bridle.engine.tracing import Outline
from bridle.engine.variant_grids import Grid
from bridle.recipe import Recipe
from bridle_audit.probe.randomness import unmoved
from bridle_audit.wording import said

ROWS = 8  # of a trial


def obstacle(factory: Callable[[], nn.Module], outline: Outline, rows: Tensor, precision: Precision) -> str:
    """Why copies of the module cannot be trained as one program; empty where they can.

    ``ValueError`` where not even one of them can be trained.
    """

    def block(seeds: tuple[int, ...], *, stacked: bool) -> ModuleBlock:
        grid = Grid(seeds, (Recipe(),))
        return ModuleBlock.start(grid, precision, outline, factory=factory, stacked=stacked)

    alone = block((0,), stacked=False)
    found = obstacle_alone(alone, rows)
    if found:
        return found
    del alone
    together = block((0, 1), stacked=True)
    try:
        with unmoved():
            trial(together, rows)
    except Exception as error:  # torch.func, and the user's code under it, may raise anything
        return said(error).partition("\n")[0].partition(". ")[0]
    return "it keeps what passes through it" if keeps_tensors(together.hooked.module) else ""


def obstacle_alone(alone: ModuleBlock, rows: Tensor) -> str:
    """Why a module that can be trained alone must be; ``ValueError`` where it cannot be trained."""
    assert alone.own_numbers is not None
    before, state = alone.own_numbers.position, alone.state
    noise = Noise(alone.grid.seeds, alone.precision)
    try:
        trial(alone, rows)
        outputs = []
        for _ in range(2):
            alone.state = state
            outputs.append(alone.forward(every_seed(rows, 1), Pass(TRAIN, noise)).detach())
    except Exception as error:  # whatever the user's code may raise
        raise ValueError(
            f"the network cannot take a training step on a batch of shape {tuple(rows.shape)}: {said(error)}"
        ) from error
    if alone.own_numbers.position != before:
        return "it draws random numbers of its own"
    first, again = outputs
    same = torch.allclose(first, again, equal_nan=True)
    return "" if same else "it gives the same batch other outputs each time"


def trial(block: ModuleBlock, rows: Tensor) -> None:
    """What happens in training: steps with their gradients, statistics, an evaluation."""
    seeds = block.grid.seeds
    noise = Noise(seeds, block.precision)
    for mode in (TRAIN, AGAIN):
        with torch.autograd.graph.disable_saved_tensors_hooks(RUN_AGAIN):  # checkpointing, unless it is reentrant
            z = block.forward(every_seed(rows, len(seeds)), Pass(mode, noise))
        if not z.requires_grad:
            raise ValueError("no gradient leads from its outputs to its parameters")
        if runs_again(z):
            raise ValueError(RUN_AGAIN)
        torch.autograd.grad(z.sum(), list(block.parameters.values()), allow_unused=True)
    with torch.no_grad():
        block.forward(every_seed(rows, len(seeds)), Pass(MEASURE))
    block.predict(rows)
    block.unit_ranges(rows)


def runs_again(z: Tensor) -> bool:
    """Whether reentrant checkpointing has a part in how the outputs came about."""
    waiting: list[Any] = [z.grad_fn]
    met: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in met:
            met.add(node)
            waiting += [each for each, _ in node.next_functions]
    return any(node.name() == "CheckpointFunctionBackward" for node in met)


def every_seed(rows: Tensor, seeds: int) -> Tensor:
    """Rows (rows, ...) as a block takes them, (seeds, 1, rows, features)."""
    return rows.flatten(1).expand(seeds, 1, len(rows), -1)


def keeps_tensors(module: nn.Module) -> bool:
    """Whether a pass of several copies has left tensors of all of them in the module."""
    return any(is_of_several(value) for part in module.modules() for value in vars(part).values())


def is_of_several(value: Any) -> bool:
    """Whether something is, or holds, a tensor that stood for those of several copies."""
    if isinstance(value, Tensor):
        return bool(is_functorch_wrapped_tensor(value))
    if isinstance(value, dict):
        return any(map(is_of_several, value.values()))
    return isinstance(value, list | tuple) and any(map(is_of_several, value))
