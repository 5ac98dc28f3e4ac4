"""The training step of one block, place by place."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from bridle.engine.batches import DeviceData, SeedIndex, TrainingBatch
from bridle.engine.block import SECOND_PASS, TRAIN, Block, ForwardContext
from bridle.engine.noise import StackNoise
from bridle.engine.objective import BlockObjective
from bridle.engine.parameter_regularizers import ParameterRegularizers
from bridle.engine.value_names import ValueName, Values
from bridle.protocol import Protocol, StepInfo

__all__ = ["BlockTraining"]


class BlockTraining:
    """A block in training: with its objective and the regularizers of its parameters."""

    def __init__(self, block: Block, data: DeviceData, protocol: Protocol, stack_seeds: tuple[int, ...]) -> None:
        self.block = block
        rates = [protocol.peak_lr if rate is None else rate for rate in block.grid.rates]
        differ = len(set(rates)) > 1
        self.protocol = replace(protocol, lr=1.0 if differ else rates[0])
        self.rates = (
            torch.tensor(rates, dtype=block.precision.weights, device=block.precision.device) if differ else None
        )  # (recipes,)
        self.objective = BlockObjective(block, data)
        self.regularizers = ParameterRegularizers(block, protocol.optimizer, self.rates)
        self.ensemble = block.ensemble
        self.seed_index = self.find_seeds(stack_seeds)
        self.seconds = 0.0
        self.best_values: Values = {}  # of each variant's best epoch, in the block's layout; empty where none is kept

    def find_seeds(self, stack_seeds: tuple[int, ...]) -> SeedIndex:
        """Return the block's seeds among the stack's: everything, without a copy, where they are the same."""
        seeds = self.block.grid.seeds
        if seeds == stack_seeds:
            return slice(None)
        return torch.tensor([stack_seeds.index(seed) for seed in seeds], device=self.block.precision.device)

    @torch.no_grad()
    def step(
        self, batch: TrainingBatch, noise: StackNoise, step_info: StepInfo, *, with_penalties: bool = False
    ) -> Iterator[Tensor]:
        """Train on a batch (seeds, batch, ...); yield the losses before the update, (seeds, recipes).

        This is the step of places/__init__.py, line by line, as in vanilla/step.py; where it yields, the stack's
        optimizer makes its own. The losses are those of the data alone unless told otherwise.
        """
        self.block.passed = step_info.step / step_info.steps
        context = ForwardContext(TRAIN, noise, self.seed_index)

        batch = self.objective.transform_batch(batch, context)
        losses, gradients = self.losses_and_gradients(batch, context, with_penalties=with_penalties)
        if self.regularizers.ascents:
            with self.regularizers.at_ascent_point(gradients):
                _, gradients = self.losses_and_gradients(batch, context._replace(mode=SECOND_PASS))
        self.regularizers.change_gradients(gradients, context, step_info)
        self.regularizers.change_weights(context, step_info, after_update=False)
        for name, parameter in self.block.parameters.items():
            parameter.grad = gradients[name]
        with self.own_rates():
            yield losses
        self.regularizers.change_weights(context, step_info, after_update=True)
        self.regularizers.update_averages(step_info)

        if self.ensemble and self.ensemble.takes(step_info.step, step_info.steps):
            self.block.add_ensemble_member()

    @contextmanager
    def own_rates(self) -> Iterator[None]:
        """Make the update of each recipe at its own learning rate, out of the optimizer's at a peak of 1.

        torch's fused optimizers take one rate for a whole array. Their update does not depend on where the parameters
        are, so it is made at zero, scaled, and added to them.
        """
        if self.rates is None:
            yield
            return
        kept = {name: parameter.detach().clone() for name, parameter in self.block.parameters.items()}
        for parameter in self.block.parameters.values():
            parameter.detach().zero_()
        yield
        for name, parameter in self.block.parameters.items():
            update, before = (self.block.grid_view(name, each) for each in (parameter.detach(), kept[name]))
            update.mul_(self.rates.view(1, -1, *[1] * (update.ndim - 2))).add_(before)

    def step_info(self, done: int, steps: int) -> StepInfo:
        """Return the position of the next step in the training; an ensemble may begin the schedule anew."""
        scheduled, of = self.ensemble.warped(done, steps) if self.ensemble else (done, steps)
        rate = self.protocol.learning_rate
        return StepInfo(done, steps, rate(scheduled, of), rate(0, of))

    @torch.no_grad()
    def keep_values(self, indices: Collection[tuple[int, int]]) -> None:
        """Keep the values of these variants, by their places in the grid, as those of their best epochs."""
        seeds, recipes = (list(each) for each in zip(*indices, strict=True))
        whole = len(indices) == len(self.block.grid)
        for name, tensor in self.block.state_dict().items():
            if whole or name not in self.best_values:
                self.best_values[name] = tensor.detach().clone()
            else:
                into, now = (self.block.grid_view(name, each) for each in (self.best_values[name], tensor))
                into[seeds, recipes] = now[seeds, recipes]

    def kept_values(self, index: tuple[int, int], names: Collection[ValueName]) -> Values:
        """Copy one variant's values of its best epoch, shaped as in a single network."""
        return self.block.variant_values({name: self.best_values[name] for name in names}, index)

    def losses_and_gradients(
        self, batch: TrainingBatch, context: ForwardContext, *, with_penalties: bool = False
    ) -> tuple[Tensor, Values]:
        """Return the losses (seeds, recipes) and the gradients where the parameters stand, penalties included."""
        losses, penalties, gradients = self.objective.losses_and_gradients(batch, context)
        if with_penalties:
            losses = losses + penalties + self.regularizers.total_penalty()
        self.regularizers.add_penalty_gradients(gradients)
        return losses, gradients
