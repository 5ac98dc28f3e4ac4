"""The plan of one network's training: how its blocks are built, whether they are stacked, how many fit in a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import torch

from bridle.data import Data
from bridle.engine.block import Block
from bridle.engine.mlp_block import MLPBlock
from bridle.engine.module_block import ModuleBlock
from bridle.engine.precision import Precision
from bridle.engine.stackability import ROWS, stacking_obstacle
from bridle.engine.tracing import TracedModule
from bridle.engine.variant_grids import VariantGrid, split_into_stacks
from bridle.memory_estimate import COPIES
from bridle.networks import MLP, DescribedNetwork, Network, parse_network
from bridle.places import Ensemble
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe, Regularizer

__all__ = ["TrainingPlan"]

COUNTED_STEPS = 1000  # of a training, to see how many copies an ensemble takes


class TrainingPlan(NamedTuple):
    """The function that builds a network's blocks, and the obstacle, if any, to several variants in one block."""

    start: Callable[[VariantGrid], Block]
    rows: int  # of a batch
    keeps_best: bool  # the weights of every variant's best epoch
    obstacle: str = ""

    @classmethod
    def of(cls, data: Data, network: Network, protocol: Protocol, precision: Precision) -> TrainingPlan:
        """Plan the training of a network; ``ValueError`` where it does not fit the data."""
        network, batch = parse_network(network), min(protocol.batch_size, len(data.x_train))
        if isinstance(network, MLP):
            inputs, outputs = data.n_inputs, data.n_outputs
            start = partial(MLPBlock.start, precision=precision, network=network, inputs=inputs, outputs=outputs)
            return cls(start, batch, protocol.keeps_best_epoch)
        if isinstance(network, DescribedNetwork):
            network = network.factory(data.x_train.shape[1:], data.n_outputs)
        rows = torch.from_numpy(data.x_train[: min(batch, ROWS)])
        traced = TracedModule.of(network, rows[:1], data.n_outputs, precision.weights)
        found = stacking_obstacle(network, traced, rows.to(precision.device, precision.weights), precision)
        block = partial(ModuleBlock.start, precision=precision, traced=traced, factory=network, stacked=not found)
        return cls(block, batch, protocol.keeps_best_epoch, found)

    def plan_stacks(self, variants: Sequence[Variant], memory: int) -> list[list[Variant]]:
        """Return the variants by the stack that they are trained in."""
        if self.obstacle:
            return [[variant] for variant in variants]
        return split_into_stacks(variants, self.bytes_per_variant({variant.recipe for variant in variants}), memory)

    def bytes_per_variant(self, recipes: Iterable[Recipe] = ()) -> int:
        """Estimate the bytes of one variant in a stack: weights, gradient, moments and cast copies, and activations.

        And what the recipe that keeps most keeps of the weights: averages, copies, the best epoch.
        """
        block = self.start(VariantGrid((0,), (Recipe(),)))
        parameters = sum(parameter.nbytes for parameter in block.parameters.values())
        kept = self.keeps_best + max((sum(map(extra_weight_copies, recipe)) for recipe in recipes), default=0)
        return (COPIES + kept) * parameters + block.activation_bytes(self.rows)


def extra_weight_copies(unit: Regularizer) -> int:
    """Return how many copies of all weights a regularizer keeps."""
    if isinstance(unit, Ensemble):
        return sum(unit.takes(step, COUNTED_STEPS) for step in range(COUNTED_STEPS))
    return int(unit.place in ("average", "stop") or "initial" in unit.extra_inputs)
