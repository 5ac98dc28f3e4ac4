"""A stack: blocks of variants that share data, batches, noise and optimizer, stepped together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bridle.engine.block import SECOND_PASS, TRAIN, Block, ForwardContext, Values
from bridle.engine.feed import BatchLoader, DeviceData, StackNoise
from bridle.engine.objective import BlockObjective
from bridle.engine.parameter_updates import ParameterUpdates
from bridle.engine.precision import Precision
from bridle.engine.variant_grids import VariantGrid, group_variants
from bridle.places import Ensemble
from bridle.protocol import BETAS, EPS, MOMENTUM, Protocol, StepInfo, Variant

StartBlock = Callable[[VariantGrid], Block]


class BlockState(NamedTuple):
    """A block with its objective and the regularizers of its parameters."""

    block: Block
    objective: BlockObjective
    updates: ParameterUpdates
    ensemble: Ensemble | None


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
        self.protocol = protocol = protocol.for_rows(len(data.x["train"]))
        self.precision, self.start, self.data = precision, start, data
        self.seeds = tuple(sorted({variant.seed for variant in variants}))
        self.batches = BatchLoader(data, protocol, self.seeds)
        self.noise = StackNoise(self.seeds, precision)
        self.steps = protocol.n_epochs * self.batches.per_epoch
        self.steps_done = 0
        self.seconds = 0.0  # of work that serves all variants alike
        self.block_states = [self.prepare(start(grid), {}) for grid in group_variants(variants)]
        self.optimizer = self.new_optimizer()
        # About how many products of two numbers a forward pass of all takes that the stack begins with.
        self.multiply_adds = sum(len(block.grid) * block.multiply_adds(self.batches.size) for block in self.blocks)

    @property
    def blocks(self) -> list[Block]:
        """The variants, by structure."""
        return [state.block for state in self.block_states]

    def prepare(self, block: Block, values: Values) -> BlockState:
        """A block ready for training, with what its variants remember (single networks' values, stacked)."""
        if values:
            block.load_values(values)
        updates = ParameterUpdates(block, self.protocol.optimizer)
        updates.initialize_state(values)
        ensemble = next((each for each in block.grid.recipes[0] if isinstance(each, Ensemble)), None)
        return BlockState(block, BlockObjective(block, self.data), updates, ensemble)

    def new_optimizer(self) -> torch.optim.Optimizer:
        """torch's own optimizer on the stacked parameters: its update is elementwise, so it serves every variant."""
        groups = [{"params": list(block.parameters.values())} for block in self.blocks]
        lr = self.protocol.learning_rate(self.steps_done, self.steps)
        if self.protocol.optimizer in ("sgd", "momentum"):
            momentum = MOMENTUM if self.protocol.optimizer == "momentum" else 0.0
            return torch.optim.SGD(groups, lr=lr, momentum=momentum, fused=True)
        return torch.optim.Adam(groups, lr=lr, betas=BETAS, eps=EPS, fused=True)

    def step(self, *, with_penalties: bool = False) -> list[Tensor]:
        """One training step; returns each block's losses (seeds, recipes), the data loss unless told otherwise."""
        clock = time.perf_counter()
        x, y = self.batches.next()
        self.noise.next_step()
        moments = [self.step_info(state) for state in self.block_states]
        self.seconds += time.perf_counter() - clock
        losses = []
        for state, step_info in zip(self.block_states, moments, strict=True):
            clock = time.perf_counter()
            losses.append(self.gradients(state, x, y, step_info, with_penalties))
            state.block.seconds += time.perf_counter() - clock
        clock = time.perf_counter()
        for group, step_info in zip(self.optimizer.param_groups, moments, strict=True):
            group["lr"] = step_info.lr
        self.optimizer.step()
        self.seconds += time.perf_counter() - clock
        for state, step_info in zip(self.block_states, moments, strict=True):
            clock = time.perf_counter()
            self.after_update(state, step_info)
            state.block.seconds += time.perf_counter() - clock
        self.steps_done += 1
        return losses

    def step_info(self, state: BlockState) -> StepInfo:
        """Return the position of one block's next step in the training; an ensemble may begin its schedule anew."""
        state.block.passed = self.steps_done / self.steps
        step, steps = (
            state.ensemble.warped(self.steps_done, self.steps) if state.ensemble else (self.steps_done, self.steps)
        )
        lr, peak = self.protocol.learning_rate(step, steps), self.protocol.learning_rate(0, steps)
        return StepInfo(self.steps_done, self.steps, lr, peak)

    def gradients(self, state: BlockState, x: Tensor, y: Tensor, step_info: StepInfo, with_penalties: bool) -> Tensor:
        """Run a step up to the optimizer's update; returns the losses (seeds, recipes)."""
        block, objective, updates, _ = state
        context = ForwardContext(TRAIN, self.noise, self.seed_index(block))
        rows, targets = objective.transform_batch(x, y, context)
        losses, gradients = self.losses_and_gradients(state, rows, targets, context, with_penalties)
        with torch.no_grad():
            if updates.ascents:
                with updates.at_ascent_point(gradients), torch.enable_grad():
                    _, gradients = self.losses_and_gradients(
                        state, rows, targets, context._replace(mode=SECOND_PASS), False
                    )
            updates.change_gradients(gradients, context, step_info)
            for name, parameter in block.parameters.items():
                parameter.grad = gradients[name]
            updates.change_weights(context, step_info, after_update=False)
        return losses

    def losses_and_gradients(
        self, state: BlockState, rows: Tensor, targets: Tensor, context: ForwardContext, with_penalties: bool
    ) -> tuple[Tensor, Values]:
        """The losses (seeds, recipes) and the gradients where the parameters stand, penalties included in these."""
        block, objective, updates, _ = state
        losses, penalties = objective.losses(rows, targets, context)
        # A parameter that the loss does not depend on has a gradient of zero: penalties may still act on it.
        found = torch.autograd.grad(
            (losses + penalties).sum(), list(block.parameters.values()), allow_unused=True, materialize_grads=True
        )
        # The fused optimizers read gradients in the layout of the parameters, whatever layout autograd left them in.
        gradients = dict(zip(block.parameters, (each.contiguous() for each in found), strict=True))
        losses = losses.detach()
        with torch.no_grad():
            if with_penalties:
                losses = losses + penalties.detach() + updates.total_penalty()
            updates.add_penalty_gradients(gradients)
        return losses, gradients

    @torch.no_grad()
    def after_update(self, state: BlockState, step_info: StepInfo) -> None:
        """Apply what comes after the optimizer's update: projections, averages, copies."""
        block, _, updates, ensemble = state
        updates.change_weights(ForwardContext(TRAIN, self.noise, self.seed_index(block)), step_info, after_update=True)
        updates.update_averages(step_info)
        if ensemble and ensemble.takes(step_info.step, step_info.steps):
            block.add_ensemble_member()

    def seed_index(self, block: Block) -> Any:
        """The block's seeds among the stack's: everything, without a copy, where they are the same."""
        if block.grid.seeds == self.seeds:
            return slice(None)
        return torch.tensor([self.seeds.index(seed) for seed in block.grid.seeds], device=self.precision.device)

    def remove(self, leaving: Iterable[Variant]) -> None:
        """Remove variants and shrink; the others go on as if nothing had happened."""
        gone = set(leaving)
        kept: dict[Variant, VariantState] = {}
        for block in self.blocks:
            for index, variant in block.indexed_variants():
                if variant not in gone:
                    kept[variant] = VariantState(
                        block.variant_values(block.state_dict(), index),
                        {kind: block.variant_values(moments, index) for kind, moments in self.moments(block).items()},
                    )
        passed = max(block.passed for block in self.blocks)
        ages = [state["step"] for state in self.optimizer.state.values() if "step" in state]
        self.block_states = [
            self.resume_block(grid, {v: kept[v].values for v in grid.variants}) for grid in group_variants(kept)
        ]
        self.optimizer = self.new_optimizer()
        for block in self.blocks:
            block.passed = passed
            self.restore_moments(block, {variant: kept[variant].moments for variant in block.grid.variants}, ages[:1])

    def resume_block(self, grid: VariantGrid, each: dict[Variant, Values]) -> BlockState:
        """A block of variants that come from others, with all that they remember."""
        block = self.start(grid)
        return self.prepare(block, stack_values(block, each))

    def single_variant(self, variant: Variant, values: Values, passed: float) -> BlockState:
        """A block of one variant with the values of an earlier moment (as in a single network), to be measured."""
        state = self.resume_block(VariantGrid((variant.seed,), (variant.recipe,)), {variant: values})
        state.block.passed = passed
        return state

    def moments(self, block: Block) -> dict[str, Values]:
        """The optimizer's running averages of a block's parameters, by kind; none before the first step."""
        states = {name: self.optimizer.state[parameter] for name, parameter in block.parameters.items()}
        kinds = [kind for kind, value in next(iter(states.values())).items() if kind != "step" and value is not None]
        return {kind: {name: state[kind] for name, state in states.items()} for kind in kinds}

    def restore_moments(self, block: Block, moments: dict[Variant, dict[str, Values]], age: list[Tensor]) -> None:
        """Give the optimizer its running averages back."""
        for kind in next(iter(moments.values())):
            stacked = stack_values(block, {variant: each[kind] for variant, each in moments.items()})
            for name, parameter in block.parameters.items():
                self.optimizer.state[parameter][kind] = block.from_grid(name, stacked[name])
        for parameter in block.parameters.values():
            if age:
                self.optimizer.state[parameter]["step"] = age[0].clone()

    @property
    def variants(self) -> list[Variant]:
        """Those still in training."""
        return [variant for block in self.blocks for variant in block.grid.variants]


class VariantState(NamedTuple):
    """The values and optimizer moments of one variant, kept while the stack is rebuilt."""

    values: Values
    moments: dict[str, Values]


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
