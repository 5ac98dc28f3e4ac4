"""The function that a block minimizes: the data loss on the transformed batch, and penalties on the outputs."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from bridle.engine.batches import DeviceData, TrainingBatch
from bridle.engine.block import SECOND_PASS, Block, ForwardContext
from bridle.engine.knob_tensors import KnobTensors, counterparts
from bridle.engine.losses import data_losses, data_losses_and_gradient
from bridle.engine.value_names import Values
from bridle.noise_streams import SECOND_PASS_OFFSET, first_stream_id
from bridle.places import Batch, OutputLoss, PassLoss
from bridle.places.base import Placed
from bridle.training_rules import check_data, check_row_weights

__all__ = ["BlockObjective"]

Unit = TypeVar("Unit", bound=Placed)


class ObjectiveTerm(NamedTuple, Generic[Unit]):
    """One type of regularizer that all recipes of the block have."""

    unit: Unit
    knobs: KnobTensors
    stream_id: int  # the first of its noise


class BlockObjective:
    """The losses of one block on one table."""

    def __init__(self, block: Block, device_data: DeviceData) -> None:
        self.block, self.device_data = block, device_data
        if device_data.row_weights is not None:
            for recipe in block.grid.recipes:
                check_row_weights(recipe)
        self.batches = self.terms(Batch)
        self.outputs = self.terms(OutputLoss)
        self.passes = self.terms(PassLoss)

    def terms(self, kind: type[Unit]) -> list[ObjectiveTerm[Unit]]:
        """Return the regularizers of one kind; ``ValueError`` for one that these data are not made for."""
        found = []
        for alike in counterparts(self.block.grid.recipes, kind):
            check_data(alike[0], self.device_data.task, self.device_data.layout)
            knobs = KnobTensors(alike, (), self.block.precision, 2)
            found.append(ObjectiveTerm(alike[0], knobs, first_stream_id(alike[0])))
        return found

    @torch.no_grad()
    def transform_batch(self, batch: TrainingBatch, context: ForwardContext) -> TrainingBatch:
        """Transform a batch (seeds, batch, ...) as the recipes' batch regularizers say, and weigh its rows.

        Rows become (seeds, 1 or recipes, batch, features). Where the recipes change batches, targets become (seeds, 1
        or recipes, batch, outputs).
        """
        own_weights = None if batch.weights is None else batch.weights[context.seed_index][:, None]
        rows, targets = self.transformed(batch.rows[context.seed_index], batch.targets[context.seed_index], context)
        return TrainingBatch(rows, targets, self.row_weights(targets, own_weights))

    def row_weights(self, targets: Tensor, own_weights: Tensor | None) -> Tensor | None:
        """Return what each row counts in the loss, (seeds, 1 or recipes, batch): its own weight times its class's.

        That of a mixture of classes is the mean over its parts.
        """
        by_class = self.device_data.class_weights
        if by_class is None:
            return own_weights
        of_class = by_class[targets][:, None] if targets.ndim == 2 else targets.to(by_class.dtype) @ by_class
        return of_class if own_weights is None else of_class * own_weights

    def transformed(self, x: Tensor, y: Tensor, context: ForwardContext) -> tuple[Tensor, Tensor]:
        """Return the rows and targets of :meth:`transform_batch`."""
        rows = x.flatten(2)[:, None]
        if not self.batches:
            return rows, y
        again = context._replace(mode=SECOND_PASS)
        extra_inputs = {"slope": self.slope, "prediction": self.prediction}
        rows, targets = rows.to(self.block.precision.weights), self.target_outputs(y)[:, None]
        for term in self.batches:
            drawn = context.draw(term.unit.noise, term.stream_id, rows.shape[2:])
            extra = [extra_inputs[each](rows, targets, again) for each in term.unit.extra_inputs]
            step_inputs = {"layout": self.device_data.layout} if "layout" in term.unit.step_inputs else {}
            numbers = term.knobs.at(self.block.passed)
            rows, targets = term.unit.torch(rows, targets, *drawn, *extra, **numbers, **step_inputs)
        return rows, targets

    def target_outputs(self, y: Tensor) -> Tensor:
        """Return targets (seeds, batch) as (seeds, batch, outputs): class probabilities, or the number to predict."""
        if y.is_floating_point():
            return y[..., None]
        return F.one_hot(y, self.device_data.outputs).to(self.block.precision.weights)

    def slope(self, rows: Tensor, targets: Tensor, context: ForwardContext) -> Tensor:
        """Return the gradient of each row's data loss with respect to the row, (seeds, recipes, batch, features)."""
        with torch.enable_grad():
            rows = self.per_variant_rows(rows).requires_grad_()
            losses = data_losses(self.block.forward(rows, context), targets)
            return torch.autograd.grad(losses.sum() * rows.shape[2], rows)[0]

    def prediction(self, rows: Tensor, targets: Tensor, context: ForwardContext) -> Tensor:
        """Predict the rows: probabilities, or the number, (seeds, recipes, batch, outputs)."""
        z = self.block.forward(rows, context).to(targets.dtype)
        return z.softmax(-1) if self.device_data.task == "classification" else z

    def per_variant_rows(self, rows: Tensor) -> Tensor:
        """Copy the rows for every variant, cut off from their past."""
        return rows.detach().expand(rows.shape[0], len(self.block.grid.recipes), *rows.shape[2:]).clone()

    def losses_and_gradients(self, batch: TrainingBatch, context: ForwardContext) -> tuple[Tensor, Tensor, Values]:
        """Return data loss and penalties on activations and outputs, each (seeds, recipes), and their gradients.

        By hand where the block knows how, else by autograd, which is what the others are tested against.
        """
        recorded = None if self.passes else self.block.record(batch.rows, context)
        if recorded is None:
            return self.gradients_by_autograd(batch, context)
        z, pullback = recorded
        losses, g = data_losses_and_gradient(z, batch.targets, batch.weights)
        penalties = torch.zeros_like(losses) if self.block.activity_penalty is None else self.block.activity_penalty
        if self.outputs:
            on_outputs, slope = self.output_penalties_and_gradient(z)
            penalties, g = penalties + on_outputs, g + slope
        return losses, penalties, pullback(g)

    def gradients_by_autograd(self, batch: TrainingBatch, context: ForwardContext) -> tuple[Tensor, Tensor, Values]:
        """Return what :meth:`losses_and_gradients` does, by autograd."""
        parameters = self.block.parameters
        with torch.enable_grad():
            losses, penalties = self.losses(batch, context)
            total = (losses + penalties).sum()
        # A parameter that the loss does not depend on has a gradient of zero: penalties may still act on it.
        found = torch.autograd.grad(total, list(parameters.values()), allow_unused=True, materialize_grads=True)
        # The fused optimizers read gradients in the layout of the parameters, whatever layout autograd left them in.
        gradients = dict(zip(parameters, (each.contiguous() for each in found), strict=True))
        return losses.detach(), penalties.detach(), gradients

    def output_penalties_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the penalties on outputs, (seeds, recipes), and the gradient of their sum in the shape of these."""
        subject = z.detach().to(self.block.precision.weights).requires_grad_()
        with torch.enable_grad():
            penalties = self.output_penalties(subject)
            (slope,) = torch.autograd.grad(penalties.sum(), subject)
        return penalties.detach(), slope.to(z.dtype)

    def output_penalties(self, z: Tensor) -> Tensor:
        """Return the sum of the penalties on outputs, (seeds, recipes)."""
        found = [each.unit.torch(z, **each.knobs.at(self.block.passed)) for each in self.outputs]
        return torch.stack(found).sum(0)

    def losses(self, batch: TrainingBatch, context: ForwardContext) -> tuple[Tensor, Tensor]:
        """Return data loss and penalties on activations and outputs, each (seeds, recipes), with their graph."""
        z = self.block.forward(batch.rows, context)
        data = data_losses(z, batch.targets, batch.weights)
        penalties = torch.zeros_like(data) if self.block.activity_penalty is None else self.block.activity_penalty
        z = z.to(self.block.precision.weights)
        if self.outputs:
            penalties = penalties + self.output_penalties(z)
        for again in self.passes:
            other = self.second_pass(again, z, batch.rows, context._replace(mode=SECOND_PASS)).to(z.dtype)
            penalties = penalties + again.unit.torch(z, other, **again.knobs.at(self.block.passed))
        return data, penalties

    def second_pass(self, term: ObjectiveTerm[PassLoss], z: Tensor, rows: Tensor, context: ForwardContext) -> Tensor:
        """Return the outputs of a second pass."""
        if term.unit.fresh_noise:
            return self.block.forward(rows, context._replace(offset=SECOND_PASS_OFFSET))
        rows = rows.to(self.block.precision.weights)
        numbers = term.knobs.at(self.block.passed)
        arrays = context.draw(term.unit.noise, term.stream_id, rows.shape[2:])
        if "slope" in term.unit.extra_inputs:
            probed = self.per_variant_rows(term.unit.probe(rows, *arrays, **numbers)).requires_grad_()
            there = self.block.forward(probed, context).to(z.dtype)
            apart = term.unit.torch(z.detach(), there, **numbers)
            arrays = [torch.autograd.grad(apart.sum(), probed)[0]]
        return self.block.forward(term.unit.move(rows, *arrays, **numbers), context)
