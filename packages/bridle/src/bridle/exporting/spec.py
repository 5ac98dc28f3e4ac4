"""The training that a script is written for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bridle.errors import InputError
from bridle.exporting.network import NetworkCode
from bridle.exporting.parameters import ParameterLists
from bridle.exporting.script import Script
from bridle.places import Layer, WeightLayer
from bridle.places.base import Placed
from bridle.protocol import EVALUATIONS, Protocol
from bridle.recipe import Recipe
from bridle.training_rules import keeps_best_epoch

__all__ = ["TrainingSpec", "only"]

Unit = TypeVar("Unit", bound=Placed)


@dataclass(frozen=True)
class TrainingSpec:
    """One recipe, network, protocol and task, and the script to which their training is added."""

    recipe: Recipe  # without what the protocol's optimizer leaves no place for
    network: NetworkCode
    protocol: Protocol
    task: str
    lists: ParameterLists
    script: Script

    @property
    def is_open(self) -> bool:
        """True where the length of the training is found by the validation rows."""
        return self.protocol.epochs is None

    @property
    def keeps_best(self) -> bool:
        """True where the protocol keeps the weights of the best epoch: no regularizer that stops does."""
        return keeps_best_epoch(self.protocol, self.recipe) and not self.recipe.at("stop")

    @property
    def skips_scores(self) -> bool:
        """True where scores are taken after some epochs alone, as ``Protocol.evaluates_after`` has it."""
        rarely = self.protocol.keeps_best_epoch and not self.recipe.at("stop")
        return rarely and (self.is_open or self.protocol.n_epochs >= 2 * EVALUATIONS)

    @property
    def has_running_statistics(self) -> bool:
        """True where a layer of the recipe keeps statistics of the batches."""
        return any(each.state for each in self.recipe if isinstance(each, Layer))

    @property
    def has_weight_state(self) -> bool:
        """True where a formula on weights keeps state from step to step."""
        return any(each.state for each in self.recipe if isinstance(each, WeightLayer))

    @property
    def has_state(self) -> bool:
        """True where a pass through the network in training mode changes more than its outputs."""
        return self.has_running_statistics or self.has_weight_state


def only(found: Sequence[Unit]) -> Unit | None:
    """Return the only regularizer of a kind, if there is one; raise ``ValueError`` if there are several."""
    if len(found) > 1:
        raise InputError(f"{found[0]!r} and {found[1]!r}: the code has room for one of them; keep one")
    return found[0] if found else None
