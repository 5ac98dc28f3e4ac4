"""A block: all variants that share a structure, as one program over arrays with a leading grid (seeds, recipes)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bridle.acting import selected, under
from bridle.engine.feed import Noise
from bridle.engine.plan import Grid
from bridle.engine.precision import Precision
from bridle.engine.sites import contiguous_users, numbers
from bridle.protocol import Variant

Values = dict[str, Tensor]  # by parameter name, as in the module that a run ends with


@dataclass(frozen=True)
class Piece:
    """One penalty or weight change: whose it is, on which parameters, with which knobs."""

    regularizer: Any
    name: str
    recipes: slice
    numbers: dict[str, Tensor]


@dataclass
class Block(ABC):
    """Parameters, state and one training step's loss of a grid of variants.

    ``parameters`` are what the optimizer steps on, in whatever layout is fastest; :meth:`grid_view` shows each as
    (seeds, recipes, *shape in a single network).
    """

    grid: Grid
    precision: Precision
    optimizer: str
    parameters: Values = field(init=False)
    state: Values = field(init=False)
    penalties: list[Piece] = field(init=False)
    changes: list[Piece] = field(init=False)
    seconds: float = field(init=False, default=0.0)

    @property
    @abstractmethod
    def layer_names(self) -> Sequence[str]:
        """The weighted layers in the order in which they act."""

    def weight_name(self, layer: str) -> str:
        """The parameter that is the weight of a layer; another layer's, where two share one."""
        return f"{layer}.weight"

    def gamma_name(self, site: int) -> str:
        """The parameter that is the scale of the batch norm behind the ``site``-th weighted layer, if there is one."""
        return f"norm{site}.weight"

    @abstractmethod
    def activation_bytes(self, rows: int) -> int:
        """About what one variant's activations take for so many rows."""

    @abstractmethod
    def losses(self, x: Tensor, y: Tensor, noise: Noise, pick: Any) -> Tensor:
        """The data loss of each variant on its batch, (seeds, recipes), with its graph; new state is kept.

        ``x`` is (seeds, batch, ...), ``y`` (seeds, batch), ``pick`` the block's seeds among those of the stack.
        """

    @abstractmethod
    def predict(self, x: Tensor) -> Tensor:
        """(rows, ...) -> (seeds, recipes, rows, outputs), in evaluation mode."""

    @abstractmethod
    def unit_ranges(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """For each weighted layer the least and greatest value of its units over the rows, each (variants, units)."""

    @abstractmethod
    def grid_view(self, name: str, tensor: Tensor) -> Tensor:
        """A view of a parameter (or its gradient) as (seeds, recipes, *shape in a single network)."""

    @abstractmethod
    def stored(self, name: str, value: Tensor) -> Tensor:
        """The reverse of :meth:`grid_view`, as a copy in the block's own layout, device and precision."""

    @abstractmethod
    def fill(self, values: Values) -> None:
        """Take parameters and state from tensors (seeds, recipes, *shape in a single network)."""

    @abstractmethod
    def module(self, values: Values, variant: Variant) -> nn.Module:
        """An ordinary module of one variant with these parameters and state, in evaluation mode."""

    def plan_pieces(self) -> None:
        """Find out which regularizer acts on which parameters; ``ValueError`` for one that acts on none."""
        axes = {name: self.grid_view(name, tensor).ndim - 2 for name, tensor in self.parameters.items()}
        self.penalties = self.pieces_at("loss", axes)
        self.changes = self.pieces_at("weight", axes)

    def pieces_at(self, place: str, axes: dict[str, int]) -> list[Piece]:
        """The pieces of one place."""
        found = []
        acting = [under(self.optimizer, recipe) for recipe in self.grid.recipes]
        for recipes, alike in contiguous_users(acting, place):
            for name in selected(alike[0], axes):
                found.append(Piece(alike[0], name, recipes, numbers(alike, self.precision, axes[name])))
        return found

    def regularize(self, gradients: Values, lr: float) -> None:
        """Add the penalties' gradients to those of the data loss and apply the weight changes, in place."""
        for piece in self.penalties:
            g = self.grid_view(piece.name, gradients[piece.name])[:, piece.recipes]
            w = self.grid_view(piece.name, self.parameters[piece.name])[:, piece.recipes]
            piece.regularizer.add_gradient(g, w, **piece.numbers, out=g)
        for piece in self.changes:
            w = self.grid_view(piece.name, self.parameters[piece.name])[:, piece.recipes]
            piece.regularizer.torch(w, lr=lr, **piece.numbers, out=w)

    def penalty(self) -> Tensor:
        """The sum of all penalties of each variant, (seeds, recipes)."""
        total = torch.zeros(
            len(self.grid.seeds), len(self.grid.recipes), dtype=self.precision.weights, device=self.precision.device
        )
        for piece in self.penalties:
            w = self.grid_view(piece.name, self.parameters[piece.name].detach())[:, piece.recipes]
            knobs = {name: value.flatten() for name, value in piece.numbers.items()}
            of_recipes = torch.func.vmap(lambda w, knobs, piece=piece: piece.regularizer.torch(w, **knobs))
            total[:, piece.recipes] += torch.func.vmap(of_recipes, in_dims=(0, None))(w, knobs)
        return total

    def indices(self) -> list[tuple[tuple[int, int], Variant]]:
        """Every variant with its place (seed, recipe) in the grid."""
        recipes = len(self.grid.recipes)
        return [(divmod(index, recipes), variant) for index, variant in enumerate(self.grid.variants)]

    def variant_values(self, tensors: Values, index: tuple[int, int]) -> Values:
        """One variant's parameters (or the optimizer's moments of them), shaped as in a single network."""
        return {name: self.grid_view(name, tensor)[index].detach().clone() for name, tensor in tensors.items()}
