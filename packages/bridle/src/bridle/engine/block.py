"""A block: all variants that share a structure, as one program over arrays with a leading grid (seeds, recipes)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from bridle.engine.batches import SeedIndex
from bridle.engine.block_matrices import as_matrices, begin_all, match_layout
from bridle.engine.forward_regularizers import PlacedWeight, place_weights
from bridle.engine.noise import StackNoise
from bridle.engine.precision import Precision
from bridle.engine.value_names import ValueName, Values
from bridle.engine.variant_grids import VariantGrid
from bridle.noise_streams import first_stream_id
from bridle.parameter_selection import Parameter
from bridle.places import Draw, Ensemble
from bridle.protocol import Variant
from bridle.sites import Site
from bridle_audit.probe.randomness import generators_restored

__all__ = [
    "EVALUATE",
    "REESTIMATE",
    "SECOND_PASS",
    "TRAIN",
    "TRAINING",
    "Block",
    "EnsembleModule",
    "ForwardContext",
    "Pullback",
]

# How the network runs: while it trains (running statistics move), once more in the same step (they rest), to measure
# the statistics of one batch for the weights as they are, or as it is once training is over.
TRAIN, SECOND_PASS, REESTIMATE, EVALUATE = "train", "second pass", "reestimate", "evaluate"
TRAINING = (TRAIN, SECOND_PASS)
Pullback = Callable[[Tensor], Values]  # the gradient of the outputs -> those of all parameters


class ForwardContext(NamedTuple):
    """One pass through the network: its mode, and its noise, of which ``seed_index`` are the block's seeds."""

    mode: str
    noise: StackNoise | None = None
    seed_index: SeedIndex = slice(None)
    offset: int = 0  # added to every stream of noise

    def draw(self, draws: Sequence[Draw], stream_id: int, subject: Sequence[int]) -> list[Tensor]:
        """Draw the noise of a regularizer with this first stream, (seeds, 1, *shape)."""
        if self.noise is None:
            return []
        return [
            self.noise.draw(each, stream_id + self.offset + number, tuple(subject))[self.seed_index][:, None]
            for number, each in enumerate(draws)
        ]


@dataclass
class Block(ABC):
    """Parameters, state and forward pass of a grid of variants.

    ``parameters`` are what the optimizer steps on, in whatever layout is fastest; :meth:`grid_view` shows each as
    (seeds, recipes, *shape in a single network), which is also the layout of what regularizers keep beside them.
    ``state`` moves along: running statistics, averages, copies.
    """

    grid: VariantGrid
    precision: Precision
    parameters: Values = field(init=False)
    state: Values = field(init=False)
    weights: list[PlacedWeight] = field(init=False, default_factory=list)
    passed: float = field(init=False, default=0.0)  # share of the training that is over
    activity_penalty: Tensor | None = field(init=False, default=None)  # of the last forward pass
    eval_batch_size: ClassVar[int]  # of an evaluation: bounds its memory

    @property
    @abstractmethod
    def layer_names(self) -> Sequence[str]:
        """The weighted layers in the order in which they act."""

    @property
    @abstractmethod
    def sites(self) -> Sequence[Site]:
        """The sites where layers may stand."""

    @property
    @abstractmethod
    def statistics(self) -> list[ValueName]:
        """The state that averages take in: running statistics."""

    @abstractmethod
    def layer_type(self, parameter: ValueName) -> str:
        """Return the type of the layer that a parameter belongs to, such as Linear."""

    def layer_weights(self, values: Values) -> list[Tensor]:
        """Return the weight of each weighted layer as it acts in a single network that has these values."""
        return [values[ValueName(f"{layer}.weight")] for layer in self.layer_names]

    def gamma_name(self, site: int) -> ValueName:
        """Return the name of the scale of the norm behind the ``site``-th weighted layer, if there is one."""
        return ValueName(f"norm{site}.weight")

    @abstractmethod
    def activation_bytes(self, batch: int) -> int:
        """Estimate the bytes of one variant's activations, in a training step on so many rows or in an evaluation."""

    @abstractmethod
    def multiply_adds(self, rows: int) -> int:
        """Estimate the multiply-adds of one variant's weighted layers for so many rows."""

    @abstractmethod
    def forward(self, rows: Tensor, context: ForwardContext) -> Tensor:
        """Run rows (seeds, 1 or recipes, batch, features) to (seeds, recipes, batch, outputs), with their graph."""

    def record(self, rows: Tensor, context: ForwardContext) -> tuple[Tensor, Pullback] | None:
        """Return what :meth:`forward` does, without a graph, and the way back; None where only autograd knows it."""
        del rows, context
        return None

    @abstractmethod
    def predict(self, x: Tensor) -> Tensor:
        """Run rows (rows, ...) to outputs (seeds, recipes, rows, outputs), in evaluation mode."""

    @abstractmethod
    def unit_ranges(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Find the least and greatest value of each weighted layer's units, both (seeds, recipes, units)."""

    @abstractmethod
    def grid_view(self, name: ValueName, tensor: Tensor) -> Tensor:
        """Return a view of a value (or of its gradient) as (seeds, recipes, *shape in a single network)."""

    @abstractmethod
    def from_grid(self, name: ValueName, value: Tensor) -> Tensor:
        """Copy a value (seeds, recipes, *shape) into the block's own layout, device and precision."""

    @abstractmethod
    def load_values(self, values: Values) -> None:
        """Take parameters and state from tensors (seeds, recipes, *shape in a single network); others start afresh."""

    @abstractmethod
    def module(self, values: Values, variant: Variant) -> nn.Module:
        """Build an ordinary module of one variant with these parameters and state, in evaluation mode."""

    def load_weight_layers(self, values: Values) -> None:
        """Find the weight layers and initialize their parameters and state; called by :meth:`load_values`."""
        self.weights = place_weights(self.grid.recipes, self.parameter_descriptions(), self.precision)
        for placed in self.weights:
            w = as_matrices(self.grid_view(placed.parameter, self.parameters[placed.parameter].detach()))
            for store, starts in zip((self.parameters, self.state), placed.starts, strict=True):
                for name, start in starts:
                    value = values.get(name)
                    store[name] = self.from_grid(name, begin_all(start, w) if value is None else value)

    def parameter_descriptions(self) -> list[Parameter]:
        """Describe the parameters as ``on`` sees them; what a weight layer learns is no matrix."""
        return [
            Parameter(str(name), 1 if name.fields else self.grid_view(name, tensor).ndim - 2, self.layer_type(name))
            for name, tensor in self.parameters.items()
        ]

    def effective_weight(self, placed: PlacedWeight, w: Tensor, values: Values, context: ForwardContext) -> Tensor:
        """Apply one weight layer to a weight (seeds, recipes, *shape); new state is put into ``values``."""
        matrix, layer = as_matrices(w), placed.layer
        parameters, state = ([values[name] for name in names] for names in (placed.parameter_names, placed.state_names))
        knobs = placed.knobs.at(self.passed)
        if context.mode in (EVALUATE, REESTIMATE):
            out: Tensor = layer.call_evaluate(matrix, parameters, state, knobs)
        else:
            stream_id = first_stream_id(layer, str(placed.parameter))
            drawn = [match_layout(matrix, each) for each in context.draw(layer.noise, stream_id, matrix.shape[2:])]
            out, new = layer.call_torch(matrix, drawn, parameters, state, knobs)
            values.update(zip(placed.state_names, new, strict=True))
        return out.reshape(w.shape)

    def with_effective_weights(self, values: Values, variant: Variant) -> Values:
        """Return one variant's values with each weight as its layer uses it: the weight layers are applied."""
        baked = dict(values)
        index = self.grid.recipe_index(variant)
        for placed in self.weights:
            w = baked[placed.parameter]
            knobs = placed.knobs.at(self.passed)
            numbers = {k: v[0, index] if isinstance(v, Tensor) else v for k, v in knobs.items()}
            names = placed.parameter_names, placed.state_names
            parameters, state = ([values[name] for name in each] for each in names)
            matrix = as_matrices(w[None, None])[0, 0]
            baked[placed.parameter] = placed.layer.call_evaluate(matrix, parameters, state, numbers).reshape(w.shape)
        return baked

    def indexed_variants(self) -> list[tuple[tuple[int, int], Variant]]:
        """Return every variant with its place (seed, recipe) in the grid."""
        recipes = len(self.grid.recipes)
        return [(divmod(index, recipes), variant) for index, variant in enumerate(self.grid.variants)]

    def variant_values(self, tensors: Values, index: tuple[int, int]) -> Values:
        """Copy one variant's parameters (or the optimizer's moments of them), shaped as in a single network."""
        return {name: self.grid_view(name, tensor)[index].detach().clone() for name, tensor in tensors.items()}

    def add_ensemble_member(self) -> None:
        """Keep the parameters and the state as they are now, for an ensemble."""
        keeper, number, values = type(self.ensemble).__name__, len(self.ensemble_members(self.state)), self.state_dict()
        for name in (*self.parameters, *self.statistics):
            self.state[name.copy(keeper, number)] = values[name].detach().clone()

    def is_ensemble_copy(self, name: ValueName) -> bool:
        """Return True for the name of a value in one of an ensemble's copies of the network."""
        return self.ensemble is not None and name.copied_by == type(self.ensemble).__name__

    def ensemble_members(self, values: Values) -> list[Values]:
        """Return an ensemble's copies among the values, each by the names of the originals."""
        found: dict[int, Values] = {}
        for name, value in values.items():
            if self.is_ensemble_copy(name):
                found.setdefault(name.number, {})[name.original] = value
        return list(found.values())

    def state_dict(self) -> Values:
        """Return parameters and state."""
        return {**self.parameters, **self.state}

    @generators_restored()  # an ordinary module draws initial weights, which are not those that count
    def trained_module(self, values: Values, variant: Variant) -> nn.Module:
        """Return the module a run ends with: an ordinary one, or all copies of an ensemble as one."""
        members = [
            self.module(self.with_effective_weights({**values, **member}, variant), variant)
            for member in self.ensemble_members(values)
        ]
        if not self.ensemble or not members:
            return self.module(values, variant)
        return EnsembleModule(members, self.ensemble).eval()

    @cached_property
    def ensemble(self) -> Ensemble | None:
        """The regularizer that keeps copies of the network, if there is one."""
        return next((each for each in self.grid.recipes[0] if isinstance(each, Ensemble)), None)

    @contextmanager
    def temporary_values(self, values: Values) -> Iterator[None]:
        """Let these parameters and state stand in for those of the same name for a while."""
        kept = self.parameters, self.state
        self.parameters = {name: values.get(name, own) for name, own in self.parameters.items()}
        self.state = {name: values.get(name, own) for name, own in self.state.items()}
        try:
            yield
        finally:
            self.parameters, self.state = kept

    def predictions(self, x: Tensor) -> Tensor:
        """Run rows (rows, ...) to (seeds, recipes, rows, outputs), through the network or all copies of an ensemble."""
        copies = self.ensemble_members(self.state)
        if not self.ensemble or not copies:
            return self.predict(x)
        outputs = []
        for values in copies:
            with self.temporary_values(values):
                outputs.append(self.predict(x))
        together: Tensor = type(self.ensemble).torch(torch.stack(outputs))
        return together


class EnsembleModule(nn.Module):
    """Several networks whose outputs together are the prediction."""

    def __init__(self, members: Sequence[nn.Module], ensemble: Ensemble) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.ensemble = ensemble

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) -> (batch, outputs)."""
        together: Tensor = type(self.ensemble).torch(torch.stack([member(x) for member in self.members]))
        return together
