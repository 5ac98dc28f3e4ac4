"""What regularizers do to parameters and gradients, piece by piece: penalties, clipping, weight changes, averages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bridle.acting import MEASURED_BATCH, Parameter, first_spot, selected, under
from bridle.engine.block import MEASURE, Block, Pass, Values, as_matrix, begin
from bridle.engine.placements import Columns, contiguous_users
from bridle.places import Ascent, Average, Gradient, Loss, Weight
from bridle.places.declare import Placed


class Moment(NamedTuple):
    """Where in the training a step is."""

    step: int  # from 0
    steps: int
    lr: float
    peak: float


class Piece(NamedTuple):
    """A regularizer on one parameter: its name, the knobs of the recipes that have it, its first stream of noise."""

    name: str
    columns: Columns
    spot: int


class Users(NamedTuple):
    """Neighbouring recipes that have the same type of regularizer, and the parameters that it acts on."""

    unit: Any
    recipes: slice
    pieces: list[Piece]
    working: list[int]  # those of the recipes in which it is not off


class Pieces:
    """Everything of a block's recipes that acts parameter by parameter."""

    def __init__(self, block: Block, optimizer: str) -> None:
        self.block = block
        self.recipes = [under(optimizer, recipe) for recipe in block.grid.recipes]
        self.losses = self.users(Loss)
        self.ascents = self.users(Ascent)
        self.gradients = self.users(Gradient)
        self.weights = self.users(Weight)
        self.averages = self.users(Average)

    def users(self, kind: type[Placed]) -> list[Users]:
        """The users of all regularizers of one kind."""
        described = self.block.described()
        statistics = [Parameter(name, self.view(name).ndim - 2) for name in self.block.statistics]
        found = []
        for recipes, alike in contiguous_users(self.recipes, kind):
            unit = alike[0]
            parameters = averaged(unit, described, statistics) if kind is Average else selected(unit, described)
            pieces = []
            for each in parameters:
                axes = 3 if getattr(unit, "matrix", False) else self.view(each.name).ndim - 2
                columns = Columns(alike, each.names, self.block.precision, axes)
                pieces.append(Piece(each.name, columns, first_spot(unit, each.name)))
            working = [recipes.start + index for index, each in enumerate(alike) if not each.is_off]
            found.append(Users(unit, recipes, pieces, working))
        return found

    def view(self, name: str) -> Tensor:
        """A parameter or state as (seeds, recipes, *shape)."""
        values = self.block.parameters if name in self.block.parameters else self.block.state
        return self.block.grid_view(name, values[name].detach())

    def subject(self, users: Users, name: str, tensor: Tensor | None = None) -> Tensor:
        """What the formula acts on: the users' part of a parameter or of its gradient, a view."""
        whole = self.view(name) if tensor is None else self.block.grid_view(name, tensor)
        part = whole[:, users.recipes]
        return as_matrix(part) if getattr(users.unit, "matrix", False) else part

    def start(self, values: Values) -> None:
        """Begin what is remembered of parameters: initial weights, states of penalties, averages."""
        block = self.block
        for users in self.losses:
            for piece in users.pieces:
                if "initial" in users.unit.asks:
                    self.keep(f"initial:{piece.name}", values, self.view(piece.name))
                for kind, first in users.unit.state.items():
                    name = state_name(users.unit, piece, kind)
                    self.keep(name, values, begin(first, as_matrix(self.view(piece.name))))
        for users in self.averages:
            for piece in users.pieces:
                self.keep(copy_name(users.unit, piece.name), values, self.view(piece.name))
        block.state = {name: value.detach() for name, value in block.state.items()}

    def keep(self, name: str, values: Values, first: Tensor) -> None:
        """One value of the state: as it was, or as it begins."""
        value = values.get(name)
        self.block.state[name] = self.block.stored(name, first if value is None else value)

    def with_penalties(self, gradients: Values) -> None:
        """Add the penalties' gradients to those of the data loss, in place."""
        for users in self.losses:
            for piece in users.pieces:
                g = self.subject(users, piece.name, gradients[piece.name])
                arguments = self.loss_arguments(users, piece)
                result = users.unit.add_gradient(g, *arguments, **piece.columns.at(self.block.passed), out=g)
                if users.unit.state:
                    self.advance(users, piece, result[1:])

    def loss_arguments(self, users: Users, piece: Piece) -> list[Tensor]:
        """The weight, what else a penalty asks for, and its state."""
        asked = [self.subject(users, f"{each}:{piece.name}") for each in users.unit.asks]
        kept = [self.view(state_name(users.unit, piece, kind))[:, users.recipes] for kind in users.unit.state]
        return [self.subject(users, piece.name), *asked, *kept]

    def advance(self, users: Users, piece: Piece, state: Sequence[Tensor]) -> None:
        """Put a penalty's new state into its place."""
        for kind, value in zip(users.unit.state, state, strict=True):
            self.view(state_name(users.unit, piece, kind))[:, users.recipes].copy_(value)

    def penalty(self) -> Tensor:
        """The sum of all penalties on parameters of each variant, (seeds, recipes)."""
        block = self.block
        shape = (len(block.grid.seeds), len(block.grid.recipes))
        total = torch.zeros(shape, dtype=block.precision.weights, device=block.precision.device)
        for users in self.losses:
            for piece in users.pieces:
                knobs = piece.columns.at(block.passed)
                words = {name: value for name, value in knobs.items() if isinstance(value, str)}
                numbers = {name: value.flatten() for name, value in knobs.items() if name not in words}

                def one(
                    arrays: list[Tensor], numbers: Values, unit: Any = users.unit, words: dict[str, str] = words
                ) -> Tensor:
                    found = type(unit).torch(*arrays, **numbers, **words)
                    penalty: Tensor = found[0] if unit.state else found
                    return penalty

                over_recipes = torch.func.vmap(one)
                arrays = self.loss_arguments(users, piece)
                total[:, users.recipes] += torch.func.vmap(over_recipes, in_dims=(0, None))(arrays, numbers)
        return total

    @contextmanager
    def ascended(self, gradients: Values) -> Iterator[None]:
        """Within, the parameters are where the second gradient is to be taken."""
        kept: Values = {}
        for users in self.ascents:
            weights = [self.subject(users, piece.name) for piece in users.pieces]
            slopes = [self.subject(users, piece.name, gradients[piece.name]) for piece in users.pieces]
            knobs = [piece.columns.at(self.block.passed) for piece in users.pieces]
            measured = [
                users.unit.measure(w, g, **numbers) for w, g, numbers in zip(weights, slopes, knobs, strict=True)
            ]
            norm = overall(measured)
            for piece, w, g, numbers in zip(users.pieces, weights, slopes, knobs, strict=True):
                kept.setdefault(piece.name, self.block.parameters[piece.name].detach().clone())
                w.copy_(users.unit.torch(w, g, spread(norm, g), **numbers))
        yield
        for name, value in kept.items():
            self.block.parameters[name].detach().copy_(value)

    def change_gradients(self, gradients: Values, way: Pass, moment: Moment) -> None:
        """Clip, center, add noise: in place, in the order of the recipe."""
        for users in self.gradients:
            subjects = [self.subject(users, piece.name, gradients[piece.name]) for piece in users.pieces]
            norm = overall(subjects) if "norm" in users.unit.asks else None
            for piece, g in zip(users.pieces, subjects, strict=True):
                asked = {"weight": self.subject(users, piece.name), "norm": None if norm is None else spread(norm, g)}
                users.unit.torch(
                    g,
                    *way.draw(users.unit.noise, piece.spot, g.shape[2:]),
                    *(asked[each] for each in users.unit.asks),
                    **piece.columns.at(self.block.passed),
                    **told(users.unit, moment),
                    out=g,
                )

    def change_weights(self, way: Pass, moment: Moment, *, after_update: bool) -> None:
        """Decay and shrink before the optimizer's update; project and threshold behind it: in place."""
        for users in self.weights:
            if users.unit.after_update != after_update:
                continue
            for piece in users.pieces:
                w = self.subject(users, piece.name)
                asked = [float(as_matrix(w)[0, 0, 0].numel())] * ("fan_in" in users.unit.asks)
                users.unit.torch(
                    w,
                    *way.draw(users.unit.noise, piece.spot, w.shape[2:]),
                    *asked,
                    **piece.columns.at(self.block.passed),
                    **told(users.unit, moment),
                    out=w,
                )

    def average(self, moment: Moment) -> None:
        """Take the weights of this step into the averages."""
        for users in self.averages:
            for piece in users.pieces:
                a, w = self.subject(users, copy_name(users.unit, piece.name)), self.subject(users, piece.name)
                knobs = piece.columns.at(self.block.passed)
                new_a, new_w = type(users.unit).torch(a, w, **knobs, **told(users.unit, moment))
                a.copy_(new_a)
                if users.unit.moves_weights:
                    w.copy_(new_w)

    @contextmanager
    def result(self, rows: Tensor) -> Iterator[None]:
        """Within, the block holds what its recipes would hand over now: averages where there are any.

        ``rows`` (rows, ...) of the training data are those on which running statistics are measured anew for weights
        that were never trained with any.
        """
        values: Values = {}
        for users in self.averages:
            for piece in users.pieces:
                if piece.name not in values:
                    own = self.block.parameters.get(piece.name, self.block.state.get(piece.name))
                    assert own is not None
                    values[piece.name] = own.detach().clone()
                into = self.block.grid_view(piece.name, values[piece.name])[:, users.recipes]
                into.copy_(self.subject(users, copy_name(users.unit, piece.name)))
        with self.block.instead(values):
            anew = [index for users in self.averages if users.unit.reestimates for index in users.working]
            if anew and self.block.statistics:
                for name, value in self.measured(rows).items():
                    into, fresh = (self.block.grid_view(name, each) for each in (self.block.state[name], value))
                    into[:, anew] = fresh[:, anew]
            yield

    @torch.no_grad()
    def measured(self, rows: Tensor) -> Values:
        """The running statistics of the weights as they are: the mean of those of each batch of the rows."""
        block = self.block
        kept = {name: block.state[name] for name in block.statistics}
        parts = [part for part in torch.split(rows, MEASURED_BATCH) if len(part) > 1]
        totals = {name: torch.zeros_like(value) for name, value in kept.items()}
        for part in parts:
            every_seed = part.flatten(1).expand(len(block.grid.seeds), 1, len(part), -1)
            block.forward(every_seed, Pass(MEASURE))
            totals = {name: total + block.state[name] for name, total in totals.items()}
        block.state.update(kept)
        return {name: total / len(parts) for name, total in totals.items()}


def averaged(unit: Average, parameters: list[Parameter], statistics: list[Parameter]) -> list[Parameter]:
    """What an average is made of: one that moves the weights leaves running statistics to the network."""
    return parameters if unit.moves_weights else [*parameters, *statistics]


def state_name(unit: Placed, piece: Piece, kind: str) -> str:
    """What the block calls a penalty's state (Note [names of values])."""
    return f"{piece.name}@{type(unit).__name__}.{kind}"


def copy_name(unit: Placed, name: str) -> str:
    """What the block calls an average of a value (Note [names of values])."""
    return f"{type(unit).__name__}:{name}"


def overall(tensors: Sequence[Tensor]) -> Tensor:
    """The length of all tensors together, of each variant: (seeds, recipes)."""
    together: Tensor = torch.linalg.vector_norm(torch.stack([length(each) for each in tensors]), dim=0)
    return together


def length(tensor: Tensor) -> Tensor:
    """The length of one tensor, of each variant; first along the axis closest in memory, so that nothing is copied."""
    if tensor.ndim == 2:
        return tensor.abs()
    closest = min(range(2, tensor.ndim), key=tensor.stride)
    along = torch.linalg.vector_norm(tensor, dim=closest, keepdim=True)
    whole: Tensor = torch.linalg.vector_norm(along.flatten(2), dim=2)
    return whole


def spread(norm: Tensor, subject: Tensor) -> Tensor:
    """(seeds, recipes) with as many axes as the subject."""
    return norm[(..., *[None] * (subject.ndim - 2))]


def told(unit: Placed, moment: Moment) -> dict[str, float]:
    """What of the training step a formula is told."""
    return {name: value for name, value in moment._asdict().items() if name in unit.told}
