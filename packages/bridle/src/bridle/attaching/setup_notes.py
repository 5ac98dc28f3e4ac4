"""Notes on a recipe in this model, with this loss and optimizer: surprises and likely oversights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import nn
from torch.optim import Optimizer

from bridle.attaching.layers import LayerInsertion
from bridle.attaching.objectives import Objective
from bridle.attaching.parameter_buckets import ParameterBucket
from bridle.attaching.parameter_groups import own_decays
from bridle.attaching.trained_parameters import ModelParameter, TrainedParameter
from bridle.attaching.training_progress import TrainingProgress
from bridle.parameter_selection import Parameter, excluded_parameters
from bridle.places import Ensemble
from bridle.recipe import Recipe
from bridle.regularizers import L2, Dropout, LabelSmoothing, WeightDecay
from bridle_audit.parameter_kinds import has_sign_parameters, parametrized_weight

__all__ = ["average_notes", "decay_notes", "layer_notes", "loss_notes", "parameter_notes", "precision_notes"]


def layer_notes(recipe: Recipe, insertion: LayerInsertion) -> Iterator[str]:
    """Yield notes on layers that act nowhere, duplicate the model's own, or have an assumed order."""
    model_layout, acting = insertion.model_layout, [unit for unit, _, _ in insertion.placements]
    placed = [unit for unit in recipe if unit.in_network and not unit.on_parameters]
    for unit in placed:
        if unit not in acting:
            yield f"{unit!r} acts nowhere: the model has no hidden layers"
    own = [
        name
        for name in model_layout.other_modules
        if isinstance(model_layout.modules[name], nn.Dropout) and name not in insertion.retuned
    ]
    if own and any(isinstance(unit, Dropout) for unit in placed):
        yield f"the model has dropout layers of its own, {', '.join(own)}; Dropout(at='Dropout') would set their rates"
    if (
        placed
        and not model_layout.io_shapes
        and len(model_layout.layers) > 1
        and not isinstance(model_layout.model, nn.Sequential)
    ):
        order = ", ".join(model_layout.layers)
        yield f"taken to run in the order in which the model lists them: {order}; example=a batch tells the real one"


def loss_notes(recipe: Recipe, objective: Objective) -> Iterator[str]:
    """Yield notes on a loss that regularizes already, and on assumptions where it is not given."""
    if objective.smoothing and any(isinstance(unit, LabelSmoothing) for unit in recipe):
        yield f"the loss smooths labels by {objective.smoothing:g}, and LabelSmoothing does it once more"
    if objective.weight is not None and recipe.at("batch"):
        yield (
            "the loss has class weights: shares of classes that are made of ids are scaled so that it stays the mean "
            "over these weights"
        )
    asking = [type(unit).__name__ for unit in recipe if unit.classes_only]
    if asking and not objective.task:
        yield (
            f"loss= is not given, so several outputs are taken for a softmax over classes, and one for a number, by "
            f"{' and '.join(dict.fromkeys(asking))}; task= says what they are"
        )


def parameter_notes(recipe: Recipe, parameters: Sequence[Parameter], modules: Mapping[str, nn.Module]) -> Iterator[str]:
    """Yield notes on parameters of the model's own parametrizations, which are left alone."""
    sparing: dict[str, list[str]] = {}
    for unit in recipe:
        for each in excluded_parameters(unit, parameters):
            sparing.setdefault(each.name, []).append(type(unit).__name__)
    for name, units in sparing.items():
        origin = parametrized_weight(modules, name)
        if origin:
            whose = " and ".join(dict.fromkeys(units))
            yield f"{name} is left alone by {whose}: {origin.by} makes {origin.weight} of it"


def decay_notes(recipe: Recipe, optimizer: Optimizer, parameters: Sequence[ModelParameter]) -> Iterator[str]:
    """Yield notes on the optimizer's own weight decay beside the recipe's, or beside none."""
    amounts = " and ".join(f"{each:g}" for each in own_decays(optimizer, [each.parameter for each in parameters]))
    if any(isinstance(unit, WeightDecay) for unit in recipe):
        if amounts:
            yield f"the optimizer's own weight_decay of {amounts} rests: WeightDecay says what decays"
        return
    for each in parameters:
        if has_sign_parameters(each.described.made_by) and own_decays(optimizer, [each.parameter]):
            yield (
                f"the optimizer's own weight_decay makes zero of the weight that {each.described.made_by} makes of "
                f"{each.described.name}: give that a group without"
            )
    if amounts and any(isinstance(unit, L2) for unit in recipe):
        yield f"the optimizer's own weight_decay of {amounts} stays, and L2 acts besides it"


def average_notes(recipe: Recipe, steps: int | None, statistics: bool) -> Iterator[str]:
    """Yield notes on averages and ensembles that need something of the loop."""
    for unit in recipe:
        if isinstance(unit, Ensemble) and steps:
            length = unit.warped(0, steps)[1]
            yield f"{unit!r} takes a copy every {length} steps: the learning-rate schedule is to begin anew each time"
        if unit.reestimates and statistics:
            yield f"{unit!r} has running statistics measured anew by handle.averaged(batches), with batches of training"


def precision_notes(
    decays: Iterable[tuple[WeightDecay, TrainedParameter]], progress: TrainingProgress
) -> Iterator[str]:
    """Yield notes on weights of low precision in which weight decay is lost in rounding."""
    lost: dict[torch.dtype, list[str]] = {}
    for unit, each in decays:
        one = torch.ones((), dtype=each.tensor.dtype)
        keywords = ParameterBucket(unit, [each]).keywords(progress)
        if keywords["strength"] and type(unit).torch(one, **keywords) == one:
            lost.setdefault(one.dtype, []).append(each.name)
    for dtype, names in lost.items():
        yield f"WeightDecay is too weak for weights of type {dtype}: it is rounded away, in {', '.join(names)}"
