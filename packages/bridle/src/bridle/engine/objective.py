"""What a block's gradient is taken of: the data loss on the batch as it is shown, and penalties on what comes out."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bridle.acting import FRESH, check_data, first_spot
from bridle.engine.block import AGAIN, Block, Pass
from bridle.engine.feed import Table
from bridle.engine.losses import data_losses
from bridle.engine.placements import Columns, of_type
from bridle.places import Batch, OutputLoss, PassLoss


class Term(NamedTuple):
    """One type of regularizer that all recipes of the block have."""

    unit: Any
    columns: Columns
    spot: int  # the first of its noise


class Objective:
    """The losses of one block on one table."""

    def __init__(self, block: Block, table: Table) -> None:
        self.block, self.table = block, table
        self.batches = self.terms(Batch)
        self.outputs = self.terms(OutputLoss)
        self.passes = self.terms(PassLoss)
        for term in (*self.batches, *self.outputs, *self.passes):
            check_data(term.unit, table.task, table.layout)

    def terms(self, kind: type[Any]) -> list[Term]:
        """The regularizers of one kind."""
        return [
            Term(alike[0], Columns(alike, (), self.block.precision, 2), first_spot(alike[0]))
            for alike in of_type(self.block.grid.recipes, kind)
        ]

    @torch.no_grad()
    def shown(self, x: Tensor, y: Tensor, way: Pass) -> tuple[Tensor, Tensor]:
        """A batch (seeds, batch, ...) with targets (seeds, batch) as the block's networks are shown it.

        Rows are (seeds, 1 or recipes, batch, features). Where the recipes change batches, targets become (seeds, 1 or
        recipes, batch, outputs).
        """
        rows, y = x[way.pick].flatten(2)[:, None], y[way.pick]
        if not self.batches:
            return rows, y
        again = way._replace(mode=AGAIN)
        rows, targets = rows.to(self.block.precision.weights), self.full(y)[:, None]
        for term in self.batches:
            drawn = way.draw(term.unit.noise, term.spot, rows.shape[2:])
            asked = [getattr(self, each)(rows, targets, again) for each in term.unit.asks]
            told = {"layout": self.table.layout} if "layout" in term.unit.told else {}
            numbers = term.columns.at(self.block.passed)
            rows, targets = term.unit.torch(rows, targets, *drawn, *asked, **numbers, **told)
        return rows, targets

    def full(self, y: Tensor) -> Tensor:
        """Targets (seeds, batch) as (seeds, batch, outputs): probabilities of classes, or the number to predict."""
        if y.is_floating_point():
            return y[..., None]
        return F.one_hot(y, self.table.outputs).to(self.block.precision.weights)

    def slope(self, rows: Tensor, targets: Tensor, way: Pass) -> Tensor:
        """The gradient of each row's data loss with respect to the row, (seeds, recipes, batch, features)."""
        with torch.enable_grad():
            rows = self.every(rows).requires_grad_()
            losses = data_losses(self.block.forward(rows, way), targets)
            return torch.autograd.grad(losses.sum() * rows.shape[2], rows)[0]

    def prediction(self, rows: Tensor, targets: Tensor, way: Pass) -> Tensor:
        """What the networks make of the rows: probabilities, or the number, (seeds, recipes, batch, outputs)."""
        z = self.block.forward(rows, way).to(targets.dtype)
        return z.softmax(-1) if self.table.task == "classification" else z

    def every(self, rows: Tensor) -> Tensor:
        """Rows of their own for every variant, cut off from their past."""
        return rows.detach().expand(rows.shape[0], len(self.block.grid.recipes), *rows.shape[2:]).clone()

    def losses(self, rows: Tensor, targets: Tensor, way: Pass) -> tuple[Tensor, Tensor]:
        """The data loss, and the penalties on activations and outputs, each (seeds, recipes), with their graph."""
        z = self.block.forward(rows, way)
        data = data_losses(z, targets)
        penalties = torch.zeros_like(data) if self.block.tapped is None else self.block.tapped
        z = z.to(self.block.precision.weights)
        for term in self.outputs:
            penalties = penalties + term.unit.torch(z, **term.columns.at(self.block.passed))
        for term in self.passes:
            other = self.second(term, z, rows, way._replace(mode=AGAIN)).to(z.dtype)
            penalties = penalties + term.unit.torch(z, other, **term.columns.at(self.block.passed))
        return data, penalties

    def second(self, term: Term, z: Tensor, rows: Tensor, way: Pass) -> Tensor:
        """The outputs of a second pass."""
        if term.unit.fresh_noise:
            return self.block.forward(rows, way._replace(offset=FRESH))
        rows = rows.to(self.block.precision.weights)
        numbers = term.columns.at(self.block.passed)
        arrays = way.draw(term.unit.noise, term.spot, rows.shape[2:])
        if "slope" in term.unit.asks:
            probed = self.every(term.unit.probe(rows, *arrays, **numbers)).requires_grad_()
            there = self.block.forward(probed, way).to(z.dtype)
            apart = term.unit.torch(z.detach(), there, **numbers)
            arrays = [torch.autograd.grad(apart.sum(), probed)[0]]
        return self.block.forward(term.unit.move(rows, *arrays, **numbers), way)
