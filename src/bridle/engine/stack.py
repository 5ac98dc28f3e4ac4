"""A stack: blocks of variants that share data, batches, noise and optimizer, stepped together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bridle.engine.block import Block, Values
from bridle.engine.feed import Batches, Noise, Table
from bridle.engine.plan import Grid, grids
from bridle.engine.precision import Precision
from bridle.protocol import BETAS, EPS, MOMENTUM, Protocol, Variant

StartBlock = Callable[[Grid], Block]


class Stack:
    """Variants in training. :meth:`step` is one step of all of them; :meth:`leave` shrinks the stack."""

    def __init__(
        self, variants: Sequence[Variant], start: StartBlock, table: Table, protocol: Protocol, precision: Precision
    ) -> None:
        self.protocol = protocol = protocol.on(len(table.x["train"]))
        self.precision, self.start = precision, start
        self.seeds = tuple(sorted({variant.seed for variant in variants}))
        self.batches = Batches(table, protocol, self.seeds)
        self.noise = Noise(self.seeds, precision)
        self.steps = protocol.passes * self.batches.per_epoch
        self.done = 0
        self.seconds = 0.0  # of work that serves all variants alike
        self.blocks = [start(grid) for grid in grids(variants)]
        self.optimizer = self.new_optimizer()

    def new_optimizer(self) -> torch.optim.Optimizer:
        """torch's own optimizer on the stacked parameters: its update is elementwise, so it serves every variant."""
        lr = self.protocol.learning_rate(self.done, self.steps)
        every = [parameter for block in self.blocks for parameter in block.parameters.values()]
        if self.protocol.optimizer in ("sgd", "momentum"):
            momentum = MOMENTUM if self.protocol.optimizer == "momentum" else 0.0
            return torch.optim.SGD(every, lr=lr, momentum=momentum, fused=True)
        return torch.optim.Adam(every, lr=lr, betas=BETAS, eps=EPS, fused=True)

    def step(self, *, with_penalties: bool = False) -> list[Tensor]:
        """One training step; returns each block's losses (seeds, recipes), the data loss unless told otherwise."""
        clock = time.perf_counter()
        x, y = self.batches.next()
        self.noise.next_step()
        lr = self.protocol.learning_rate(self.done, self.steps)
        self.seconds += time.perf_counter() - clock
        losses = []
        for block in self.blocks:
            clock = time.perf_counter()
            losses.append(self.block_step(block, x, y, lr, with_penalties))
            block.seconds += time.perf_counter() - clock
        clock = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.done += 1
        self.seconds += time.perf_counter() - clock
        return losses

    def block_step(self, block: Block, x: Tensor, y: Tensor, lr: float, with_penalties: bool) -> Tensor:
        """Everything of a step but the optimizer's update; weight changes come after the gradient is taken."""
        # The fused optimizers read gradients in the layout of the parameters, whatever layout autograd left them in.
        losses = block.losses(x, y, self.noise, self.pick(block))
        # A parameter that the loss does not depend on has a gradient of zero: penalties may still act on it.
        found = torch.autograd.grad(
            losses.sum(), list(block.parameters.values()), allow_unused=True, materialize_grads=True
        )
        gradients = [gradient.contiguous() for gradient in found]
        losses = losses.detach()
        with torch.no_grad():
            for parameter, gradient in zip(block.parameters.values(), gradients, strict=True):
                parameter.grad = gradient
            if with_penalties:
                losses = losses + block.penalty()
            block.regularize(dict(zip(block.parameters, gradients, strict=True)), lr)
        return losses

    def pick(self, block: Block) -> Any:
        """The block's seeds among the stack's: everything, without a copy, where they are the same."""
        if block.grid.seeds == self.seeds:
            return slice(None)
        return torch.tensor([self.seeds.index(seed) for seed in block.grid.seeds], device=self.precision.device)

    def leave(self, leaving: Iterable[Variant]) -> None:
        """Take variants out and shrink; the others go on as if nothing had happened."""
        gone = set(leaving)
        kept: dict[Variant, Saved] = {}
        for block in self.blocks:
            for index, variant in block.indices():
                if variant not in gone:
                    kept[variant] = Saved(
                        block.variant_values({**block.parameters, **block.state}, index),
                        {kind: block.variant_values(moments, index) for kind, moments in self.moments(block).items()},
                    )
        ages = [state["step"] for state in self.optimizer.state.values() if "step" in state]
        self.blocks = [self.start(grid) for grid in grids(kept)]
        for block in self.blocks:
            block.fill(together(block, {variant: kept[variant].values for variant in block.grid.variants}))
        self.optimizer = self.new_optimizer()
        for block in self.blocks:
            self.restore(block, {variant: kept[variant].moments for variant in block.grid.variants}, ages[:1])

    def moments(self, block: Block) -> dict[str, Values]:
        """The optimizer's running averages of a block's parameters, by kind; none before the first step."""
        states = {name: self.optimizer.state[parameter] for name, parameter in block.parameters.items()}
        kinds = [kind for kind, value in next(iter(states.values())).items() if kind != "step" and value is not None]
        return {kind: {name: state[kind] for name, state in states.items()} for kind in kinds}

    def restore(self, block: Block, moments: dict[Variant, dict[str, Values]], age: list[Tensor]) -> None:
        """Give the optimizer its running averages back."""
        for kind in next(iter(moments.values())):
            stacked = together(block, {variant: each[kind] for variant, each in moments.items()})
            for name, parameter in block.parameters.items():
                self.optimizer.state[parameter][kind] = block.stored(name, stacked[name])
        for parameter in block.parameters.values():
            if age:
                self.optimizer.state[parameter]["step"] = age[0].clone()

    @property
    def variants(self) -> list[Variant]:
        """Those still in training."""
        return [variant for block in self.blocks for variant in block.grid.variants]


class Saved(NamedTuple):
    """What one variant takes along when the stack is rebuilt."""

    values: Values
    moments: dict[str, Values]


def together(block: Block, each: dict[Variant, Values]) -> Values:
    """Single networks' tensors, stacked to (seeds, recipes, *shape) in the order of the block's grid."""
    s, r = len(block.grid.seeds), len(block.grid.recipes)
    first = next(iter(each.values()))
    return {
        name: torch.stack([each[variant][name] for variant in block.grid.variants]).view(s, r, *tensor.shape)
        for name, tensor in first.items()
    }
