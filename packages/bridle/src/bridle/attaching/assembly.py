"""The parts of an attached recipe, built from the model, the optimizer and the recipe's regularizers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from bridle.attaching.averages import WeightAverages
from bridle.attaching.batch_transforms import BatchTransforms
from bridle.attaching.ensemble_snapshots import EnsembleSnapshots
from bridle.attaching.forward_penalties import ForwardPenalties
from bridle.attaching.layers import LayerInsertion
from bridle.attaching.lora_notes import lora_decay_notes
from bridle.attaching.loss_probing import LossFunction
from bridle.attaching.model_layout import ModelLayout
from bridle.attaching.noise import layer_noise, parameter_noise
from bridle.attaching.objectives import objective_of
from bridle.attaching.optimizer_decay import group_decays, optimizer_decays
from bridle.attaching.parameter_buckets import select_parameters
from bridle.attaching.parameter_checks import check_initialized, check_parameter_kinds, padding_indices
from bridle.attaching.parameter_groups import (
    ParameterGroups,
    optimized_parameters,
)
from bridle.attaching.parameter_ops import AscentOp, GradientOp, ParameterOp, PenaltyOp, WeightOp
from bridle.attaching.pass_recorder import PassRecorder
from bridle.attaching.placement_notes import placement_notes
from bridle.attaching.requirements import check_steps, check_supported
from bridle.attaching.setup_notes import (
    average_notes,
    decay_notes,
    layer_notes,
    loss_notes,
    parameter_notes,
    precision_notes,
)
from bridle.attaching.stopping import Stopping
from bridle.attaching.trained_parameters import (
    AveragedTensor,
    ModelParameter,
    TrainedParameter,
    averaged_buffers,
    describe_parameter,
)
from bridle.attaching.training_progress import TrainingProgress
from bridle.errors import InputError
from bridle.places import (
    Ascent,
    Average,
    Batch,
    Ensemble,
    Gradient,
    Loss,
    Weight,
)
from bridle.recipe import Recipe, Regularizer
from bridle.regularizers import WeightDecay

__all__ = ["Assembly", "Options"]


@dataclass(frozen=True)
class Options:
    """The options of :func:`bridle.attach`."""

    loss: LossFunction | None = None
    steps: int | None = None
    example: object = None
    seed: int | None = None
    classes: int | None = None
    features: Sequence[str] = ()
    task: str | None = None


class Assembly:
    """The parts of one attached recipe; ``undo`` detaches all of them."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, recipe: Recipe, options: Options) -> None:
        check_supported(model, optimizer)
        check_steps(recipe, options.steps)
        check_initialized(model, recipe)
        self.model, self.optimizer, self.recipe, self.options = model, optimizer, recipe, options
        self.notes: list[str] = [*recipe.notes()]
        self.progress = TrainingProgress(optimizer, options.steps)
        keeps_output = any(unit.on_outputs for unit in recipe)
        keeps_marks = any(unit.second_pass and not unit.fresh_noise for unit in recipe)
        noise = layer_noise(model, options.seed)
        self.recorder = PassRecorder(noise, keeps_output=keeps_output, keeps_marks=keeps_marks)
        with ExitStack() as undo:
            self.insert(undo)
            self.build_ops()
            self.undo = undo.pop_all()

    def insert(self, undo: ExitStack) -> None:
        """Make all changes to model and optimizer: layers, parametrizations, hooks, parameter groups."""
        options = self.options
        trained = self.find_trained()
        model_layout = ModelLayout(self.model, options.example)
        self.outputs = options.classes or model_layout.outputs
        self.objective = objective_of(options.loss, options.task, self.recipe, self.outputs)
        insertion = LayerInsertion(model_layout, self.recipe, self.recorder, undo, seeded=options.seed is not None)
        insertion.insert({each.described: each.parameter for each in trained})
        self.insertion, self.placements = insertion, insertion.placements
        self.scheduled_modules = insertion.scheduled_modules
        self.notes += [*layer_notes(self.recipe, insertion), *placement_notes(insertion, options.example)]
        self.notes += loss_notes(self.recipe, self.objective)
        if options.seed is not None or any(notes_passes(unit) for unit in self.recipe):
            self.recorder.register(self.model, undo)
        self.groups = ParameterGroups(self.optimizer)
        undo.callback(self.groups.restore)
        self.arrange_groups(trained)

    def arrange_groups(self, trained: Sequence[ModelParameter]) -> None:
        """Regroup the optimizer's parameters by weight decay, and add those of inserted modules."""
        inserted = self.insertion.new
        places = self.groups.indices()
        new = {
            each.parameter: (each.described.name, 0 if each.beside is None else places.get(each.beside, 0))
            for each in inserted
        }
        parameters = [*trained, *(ModelParameter(each.described, each.parameter) for each in inserted)]
        self.notes += decay_notes(self.recipe, self.optimizer, parameters)
        self.optimizer_decays = optimizer_decays(self.recipe, self.groups, parameters)
        self.groups.arrange(group_decays(self.recipe, self.optimizer_decays, parameters), new)
        places = self.groups.indices()
        self.parameters = [each.in_group(places[each.parameter]) for each in parameters]

    def set_task(self, task: str) -> None:
        """Set the task of the outputs; ``ValueError`` where a regularizer does not fit it."""
        self.objective = objective_of(self.options.loss, task, self.recipe, self.outputs)
        self.batch_transforms.objective = self.forward_penalties.objective = self.objective

    def find_trained(self) -> list[ModelParameter]:
        """Return the model's trained parameters: those that require gradients and are in the optimizer."""
        held = {*optimized_parameters(self.optimizer)}
        frozen, not_optimized = [], []
        parameters: list[ModelParameter] = []
        self.untrained: list[ModelParameter] = []  # which may be trained later
        modules = dict(self.model.named_modules())
        padding = padding_indices(modules)
        for name, parameter in self.model.named_parameters():
            each = describe_parameter(modules, name, parameter, padding)
            if not parameter.requires_grad:
                frozen.append(name)
            elif parameter not in held:
                not_optimized.append(name)
            (parameters if parameter.requires_grad and parameter in held else self.untrained).append(each)
        if not parameters:
            raise InputError("the optimizer holds none of the model's parameters that require gradients")
        check_parameter_kinds(self.recipe, {each.described: each.parameter for each in parameters}, modules)
        self.notes += parameter_notes(self.recipe, [each.described for each in parameters], modules)
        if frozen:
            self.notes.append(f"frozen, so left alone: {', '.join(frozen)}")
        if not_optimized:
            self.notes.append(f"not in the optimizer, so left alone: {', '.join(not_optimized)}")
        return parameters

    def build_ops(self) -> None:
        """Build everything that acts without changing model or optimizer."""
        recipe, parameters, options = self.recipe, self.parameters, self.options
        statistics = averaged_buffers(self.model)
        noise = self.noise = parameter_noise(self.model, recipe, options.seed)
        in_optimizer = set(self.optimizer_decays.values())
        weights = [unit for unit in recipe if isinstance(unit, Weight) and unit not in in_optimizer]
        shown = [unit for unit in recipe if isinstance(unit, Batch)]
        features, objective = tuple(options.features), self.objective
        self.batch_transforms = BatchTransforms(
            shown, self.model, self.recorder, options.loss, objective, self.outputs, features
        )
        self.forward_penalties = ForwardPenalties(self.model, recipe, self.recorder, objective)
        self.penalties = [PenaltyOp(unit, parameters) for unit in recipe if isinstance(unit, Loss)]
        self.ascents = [AscentOp(unit, parameters) for unit in recipe if isinstance(unit, Ascent)]
        self.gradient_ops = [GradientOp(unit, parameters, noise) for unit in recipe if isinstance(unit, Gradient)]
        self.pre_update_ops = [WeightOp(unit, parameters, noise) for unit in weights if not unit.after_update]
        self.post_update_ops = [WeightOp(unit, parameters, noise) for unit in weights if unit.after_update]
        self.averages = [WeightAverages(unit, parameters, statistics) for unit in recipe if isinstance(unit, Average)]
        members: list[AveragedTensor] = [*parameters, *statistics]
        self.ensembles = [EnsembleSnapshots(unit, self.model, members) for unit in recipe if isinstance(unit, Ensemble)]
        self.late_parameters: list[TrainedParameter] = []  # what has come since
        self.stopping = Stopping(recipe)
        self.notes += precision_notes(self.decays(), self.progress)
        shrinking = [(penalty.unit, each.name) for penalty in self.penalties for each in penalty.parameters]
        self.notes += lora_decay_notes([*((unit, each.name) for unit, each in self.decays()), *shrinking], self.model)
        self.notes += average_notes(recipe, options.steps, bool(statistics))
        self.scheduled_decays = [(unit, each) for unit, each in self.decays_in_optimizer() if unit.is_scheduled]
        self.apply_schedules()

    def retarget(self, parameters: Sequence[TrainedParameter], added: Sequence[TrainedParameter]) -> None:
        """Let all operations on parameters act on these, ``added`` since the last step among them.

        The optimizer's own decay was put into groups when the recipe was attached; parameters that come later are
        decayed like it, before the update.
        """
        self.parameters = list(parameters)
        self.late_parameters = [each for each in (*self.late_parameters, *added) if each in self.parameters]
        self.pre_update_ops = [op for op in self.pre_update_ops if op.unit not in self.optimizer_decays.values()]
        actors: list[ParameterOp[Any] | WeightAverages | EnsembleSnapshots]
        actors = [*self.parameter_ops, *self.averages, *self.ensembles]
        for actor in actors:
            actor.set_parameters(parameters)
        for unit in dict.fromkeys(self.optimizer_decays.values()):
            by_hooks = [each for each in self.late_parameters if each.described not in self.optimizer_decays]
            if chosen := select_parameters(unit, by_hooks):
                self.pre_update_ops.insert(0, WeightOp(unit, chosen, self.noise))

    def add_penalties(self, scale: float = 1.0) -> None:
        """Add the gradients of the weight penalties to gradients that a loss scaler has scaled by ``scale``."""
        parameters = self.parameters if scale != 1 and self.penalties else []
        gradients = [each.parameter.grad for each in parameters if each.parameter.grad is not None]
        if gradients:
            torch._foreach_div_(gradients, scale)
        for each in self.penalties:
            each.add_gradients(self.progress)
        if gradients:
            torch._foreach_mul_(gradients, scale)

    @property
    def parameter_ops(self) -> list[ParameterOp[Any]]:
        """Return all operations on parameters."""
        weight_ops = [*self.pre_update_ops, *self.post_update_ops]
        return [*self.penalties, *self.ascents, *self.gradient_ops, *weight_ops]

    def decays(self) -> list[tuple[WeightDecay, TrainedParameter]]:
        """Return each WeightDecay with each parameter that it decays, by a hook or in the optimizer."""
        by_hooks = [
            (op.unit, each) for op in self.pre_update_ops if isinstance(op.unit, WeightDecay) for each in op.parameters
        ]
        return self.decays_in_optimizer() + by_hooks

    def decays_in_optimizer(self) -> list[tuple[WeightDecay, TrainedParameter]]:
        """Return each WeightDecay with each parameter that the optimizer decays for it."""
        in_optimizer = self.optimizer_decays
        return [(in_optimizer[each.described], each) for each in self.parameters if each.described in in_optimizer]

    def apply_schedules(self) -> None:
        """Set the scheduled knobs in model and optimizer to their values at the current progress."""
        for module in self.scheduled_modules:
            module.at(self.progress.passed)
        for unit, each in self.scheduled_decays:
            strength = unit.numbers(*each.described.names, passed=self.progress.passed)["strength"]
            self.optimizer.param_groups[each.group]["weight_decay"] = strength


def notes_passes(unit: Regularizer) -> bool:
    """Return True if a regularizer needs a record of the model's forward passes."""
    penalizes_pass = unit.place == "loss" and not unit.on_parameters
    return penalizes_pass or unit.second_pass or bool({"slope", "prediction"} & {*unit.extra_inputs})
