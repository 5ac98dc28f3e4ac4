"""A stack: blocks of variants that share data, batches, noise and optimizer, stepped together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bridle.engine.batches import BatchLoader, DeviceData
from bridle.engine.block import Block
from bridle.engine.block_training import BlockTraining
from bridle.engine.noise import StackNoise
from bridle.engine.precision import Precision
from bridle.engine.stack_optimizer import StackOptimizer
from bridle.engine.timing import timed
from bridle.engine.value_names import ValueName, Values
from bridle.engine.variant_grids import VariantGrid, group_variants
from bridle.protocol import Protocol, Variant

__all__ = ["Stack"]

StartBlock = Callable[[VariantGrid], Block]


class Stack:
    """Variants in training. :meth:`step` is one step of all of them; :meth:`remove` shrinks the stack."""

    def __init__(
        self,
        variants: Sequence[Variant],
        start: StartBlock,
        data: DeviceData,
        protocol: Protocol,
        precision: Precision,
    ) -> None:
        self.protocol, self.precision, self.start, self.data = protocol, precision, start, data
        self.seeds = tuple(sorted({variant.seed for variant in variants}))
        self.batches = BatchLoader(data, protocol, self.seeds)
        self.noise = StackNoise(self.seeds, precision)
        self.steps = protocol.n_epochs * self.batches.per_epoch
        self.steps_done = 0
        self.seconds = 0.0  # of work that serves all variants alike
        self.trainings = [self.prepare(start(grid), {}) for grid in group_variants(variants)]
        self.optimizer = StackOptimizer(self.blocks, protocol)
        # About how many products of two numbers a forward pass of all takes that the stack begins with.
        self.multiply_adds = sum(len(block.grid) * block.multiply_adds(self.batches.size) for block in self.blocks)

    @property
    def blocks(self) -> list[Block]:
        """The variants, by structure."""
        return [training.block for training in self.trainings]

    def prepare(self, block: Block, values: Values) -> BlockTraining:
        """Return a block ready for training, with what its variants remember (single networks' values, stacked)."""
        if values:
            block.load_values(values)
        training = BlockTraining(block, self.data, self.protocol, self.seeds)
        training.regularizers.initialize_state(values)
        return training

    def step(self, *, with_penalties: bool = False) -> list[Tensor]:
        """Train every block on its seeds' next batches; return the losses of each before the update, (seeds, recipes).

        They are those of the data alone unless told otherwise.
        """
        with timed(self):
            batch = self.batches.next()
            self.noise.next_step()
            infos = [training.step_info(self.steps_done, self.steps) for training in self.trainings]
            begun = [
                training.step(batch, self.noise, info, with_penalties=with_penalties)
                for training, info in zip(self.trainings, infos, strict=True)
            ]
        losses = []
        for training, step in zip(self.trainings, begun, strict=True):
            with timed(training):
                losses.append(next(step))
        with timed(self):
            self.optimizer.step([info.lr for info in infos])
        for training, step in zip(self.trainings, begun, strict=True):
            with timed(training):
                next(step, None)
        self.steps_done += 1
        return losses

    def remove(self, leaving: Iterable[Variant]) -> None:
        """Remove variants and shrink; the others go on as if nothing had happened."""
        gone = set(leaving)
        kept: dict[Variant, VariantState] = {}
        for training in self.trainings:
            block, moments = training.block, self.optimizer.moments(training.block)
            for index, variant in block.indexed_variants():
                if variant not in gone:
                    kept[variant] = VariantState(
                        block.variant_values(block.state_dict(), index),
                        {kind: block.variant_values(each, index) for kind, each in moments.items()},
                        block.variant_values(training.best_values, index),
                    )
        passed, age = self.trainings[0].block.passed, self.optimizer.age()
        self.trainings = [
            self.resume_block(grid, {variant: kept[variant].values for variant in grid.variants}, passed)
            for grid in group_variants(kept)
        ]
        self.optimizer = StackOptimizer(self.blocks, self.protocol)
        for block in self.blocks:
            moments_of = {variant: kept[variant].moments for variant in block.grid.variants}
            kinds = next(iter(moments_of.values()))
            stacked = {
                kind: stack_values(block, {variant: each[kind] for variant, each in moments_of.items()})
                for kind in kinds
            }
            self.optimizer.restore_moments(block, stacked, age)
        for training in self.trainings:
            best = {variant: kept[variant].best for variant in training.block.grid.variants}
            stacked_best = stack_values(training.block, best)
            training.best_values = {name: training.block.from_grid(name, each) for name, each in stacked_best.items()}

    def resume_block(self, grid: VariantGrid, each: dict[Variant, Values], passed: float) -> BlockTraining:
        """Return a block of variants that come from others, with all that they remember."""
        block = self.start(grid)
        training = self.prepare(block, stack_values(block, each))
        block.passed = passed
        return training

    def kept_values(self, variant: Variant, names: Collection[ValueName]) -> Values:
        """Copy the values of a variant's best epoch, shaped as in a single network."""
        training = self.training_of(variant)
        index = next(index for index, each in training.block.indexed_variants() if each == variant)
        return training.kept_values(index, names)

    def training_of(self, variant: Variant) -> BlockTraining:
        """Return the block that a variant is trained in."""
        return next(each for each in self.trainings if variant in each.block.grid.variants)

    @property
    def variants(self) -> list[Variant]:
        """The variants that are still in training."""
        return [variant for block in self.blocks for variant in block.grid.variants]


class VariantState(NamedTuple):
    """The values, optimizer moments and best epoch of one variant, kept while the stack is rebuilt."""

    values: Values
    moments: dict[str, Values]
    best: Values


def stack_values(block: Block, each: dict[Variant, Values]) -> Values:
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
