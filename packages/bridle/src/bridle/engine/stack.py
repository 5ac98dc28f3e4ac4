"""A stack: blocks of variants that share data, batches, noise and optimizer, stepped together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bridle.engine.block import AGAIN, TRAIN, Block, Pass, Values
from bridle.engine.feed import Batches, Noise, Table
from bridle.engine.objective import Objective
from bridle.engine.parameter_updates import Moment, Pieces
from bridle.engine.precision import Precision
from bridle.engine.variant_grids import Grid, grids
from bridle.places import Ensemble
from bridle.protocol import BETAS, EPS, MOMENTUM, Protocol, Variant

StartBlock = Callable[[Grid], Block]


class Worker(NamedTuple):
    """A block with what its gradient is taken of and what acts on its parameters."""

    block: Block
    objective: Objective
    pieces: Pieces
    ensemble: Ensemble | None


class Stack:
    """Variants in training. :meth:`step` is one step of all of them; :meth:`leave` shrinks the stack."""

    def __init__(
        self, variants: Sequence[Variant], start: StartBlock, table: Table, protocol: Protocol, precision: Precision
    ) -> None:
        self.protocol = protocol = protocol.on(len(table.x["train"]))
        self.precision, self.start, self.table = precision, start, table
        self.seeds = tuple(sorted({variant.seed for variant in variants}))
        self.batches = Batches(table, protocol, self.seeds)
        self.noise = Noise(self.seeds, precision)
        self.steps = protocol.passes * self.batches.per_epoch
        self.done = 0
        self.seconds = 0.0  # of work that serves all variants alike
        self.workers = [self.employ(start(grid), {}) for grid in grids(variants)]
        self.optimizer = self.new_optimizer()
        # About how many products of two numbers a forward pass of all takes that the stack begins with.
        self.products = sum(len(block.grid) * block.products(self.batches.size) for block in self.blocks)

    @property
    def blocks(self) -> list[Block]:
        """The variants, by structure."""
        return [worker.block for worker in self.workers]

    def employ(self, block: Block, values: Values) -> Worker:
        """A block ready for training, with what its variants remember (single networks' values, stacked)."""
        if values:
            block.fill(values)
        pieces = Pieces(block, self.protocol.optimizer)
        pieces.start(values)
        ensemble = next((each for each in block.grid.recipes[0] if isinstance(each, Ensemble)), None)
        return Worker(block, Objective(block, self.table), pieces, ensemble)

    def new_optimizer(self) -> torch.optim.Optimizer:
        """torch's own optimizer on the stacked parameters: its update is elementwise, so it serves every variant."""
        groups = [{"params": list(block.parameters.values())} for block in self.blocks]
        lr = self.protocol.learning_rate(self.done, self.steps)
        if self.protocol.optimizer in ("sgd", "momentum"):
            momentum = MOMENTUM if self.protocol.optimizer == "momentum" else 0.0
            return torch.optim.SGD(groups, lr=lr, momentum=momentum, fused=True)
        return torch.optim.Adam(groups, lr=lr, betas=BETAS, eps=EPS, fused=True)

    def step(self, *, with_penalties: bool = False) -> list[Tensor]:
        """One training step; returns each block's losses (seeds, recipes), the data loss unless told otherwise."""
        clock = time.perf_counter()
        x, y = self.batches.next()
        self.noise.next_step()
        moments = [self.moment(worker) for worker in self.workers]
        self.seconds += time.perf_counter() - clock
        losses = []
        for worker, moment in zip(self.workers, moments, strict=True):
            clock = time.perf_counter()
            losses.append(self.gradients(worker, x, y, moment, with_penalties))
            worker.block.seconds += time.perf_counter() - clock
        clock = time.perf_counter()
        for group, moment in zip(self.optimizer.param_groups, moments, strict=True):
            group["lr"] = moment.lr
        self.optimizer.step()
        self.seconds += time.perf_counter() - clock
        for worker, moment in zip(self.workers, moments, strict=True):
            clock = time.perf_counter()
            self.after_update(worker, moment)
            worker.block.seconds += time.perf_counter() - clock
        self.done += 1
        return losses

    def moment(self, worker: Worker) -> Moment:
        """Where in the training the step to come is, for one block; an ensemble may begin its schedule anew."""
        worker.block.passed = self.done / self.steps
        step, steps = worker.ensemble.warped(self.done, self.steps) if worker.ensemble else (self.done, self.steps)
        lr, peak = self.protocol.learning_rate(step, steps), self.protocol.learning_rate(0, steps)
        return Moment(self.done, self.steps, lr, peak)

    def gradients(self, worker: Worker, x: Tensor, y: Tensor, moment: Moment, with_penalties: bool) -> Tensor:
        """Everything of a step before the optimizer's update; returns the losses (seeds, recipes)."""
        block, objective, pieces, _ = worker
        way = Pass(TRAIN, self.noise, self.pick(block))
        rows, targets = objective.shown(x, y, way)
        losses, gradients = self.at_point(worker, rows, targets, way, with_penalties)
        with torch.no_grad():
            if pieces.ascents:
                with pieces.ascended(gradients), torch.enable_grad():
                    _, gradients = self.at_point(worker, rows, targets, way._replace(mode=AGAIN), False)
            pieces.change_gradients(gradients, way, moment)
            for name, parameter in block.parameters.items():
                parameter.grad = gradients[name]
            pieces.change_weights(way, moment, after_update=False)
        return losses

    def at_point(
        self, worker: Worker, rows: Tensor, targets: Tensor, way: Pass, with_penalties: bool
    ) -> tuple[Tensor, Values]:
        """The losses (seeds, recipes) and the gradients where the parameters stand, penalties included in these."""
        block, objective, pieces, _ = worker
        losses, penalties = objective.losses(rows, targets, way)
        # A parameter that the loss does not depend on has a gradient of zero: penalties may still act on it.
        found = torch.autograd.grad(
            (losses + penalties).sum(), list(block.parameters.values()), allow_unused=True, materialize_grads=True
        )
        # The fused optimizers read gradients in the layout of the parameters, whatever layout autograd left them in.
        gradients = dict(zip(block.parameters, (each.contiguous() for each in found), strict=True))
        losses = losses.detach()
        with torch.no_grad():
            if with_penalties:
                losses = losses + penalties.detach() + pieces.penalty()
            pieces.with_penalties(gradients)
        return losses, gradients

    @torch.no_grad()
    def after_update(self, worker: Worker, moment: Moment) -> None:
        """What happens behind the optimizer's update: projections, averages, copies."""
        block, _, pieces, ensemble = worker
        pieces.change_weights(Pass(TRAIN, self.noise, self.pick(block)), moment, after_update=True)
        pieces.average(moment)
        if ensemble and ensemble.takes(moment.step, moment.steps):
            block.take_copy()

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
                        block.variant_values(block.everything(), index),
                        {kind: block.variant_values(moments, index) for kind, moments in self.moments(block).items()},
                    )
        passed = max(block.passed for block in self.blocks)
        ages = [state["step"] for state in self.optimizer.state.values() if "step" in state]
        self.workers = [self.resume(grid, {v: kept[v].values for v in grid.variants}) for grid in grids(kept)]
        self.optimizer = self.new_optimizer()
        for block in self.blocks:
            block.passed = passed
            self.restore(block, {variant: kept[variant].moments for variant in block.grid.variants}, ages[:1])

    def resume(self, grid: Grid, each: dict[Variant, Values]) -> Worker:
        """A block of variants that come from others, with all that they remember."""
        block = self.start(grid)
        return self.employ(block, together(block, each))

    def alone(self, variant: Variant, values: Values, passed: float) -> Worker:
        """A block of one variant with the values of an earlier moment (as in a single network), to be measured."""
        worker = self.resume(Grid((variant.seed,), (variant.recipe,)), {variant: values})
        worker.block.passed = passed
        return worker

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
    """Single networks' tensors, stacked to (seeds, recipes, *shape) in the order of the block's grid.

    What only some variants remember is zero for the others, whose recipes do not read it.
    """
    s, r = len(block.grid.seeds), len(block.grid.recipes)
    samples = {name: tensor for values in each.values() for name, tensor in values.items()}
    return {
        name: torch.stack([each[v].get(name, torch.zeros_like(sample)) for v in block.grid.variants]).view(
            s, r, *sample.shape
        )
        for name, sample in samples.items()
    }
