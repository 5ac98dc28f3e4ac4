"""The parts of an attached recipe, built from the model, the optimizer and the recipe's regularizers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from bridle.acting import Parameter, selected
from bridle.attaching.averages import WeightAverages
from bridle.attaching.batch_transforms import BatchTransforms
from bridle.attaching.ensemble_snapshots import EnsembleSnapshots
from bridle.attaching.forward_penalties import ForwardPenalties
from bridle.attaching.layers import LayerInsertion
from bridle.attaching.lora_notes import lora_decay_notes
from bridle.attaching.model_layout import ModelLayout
from bridle.attaching.noise import layer_noise, parameter_noise
from bridle.attaching.objectives import LossFunction, objective_of
from bridle.attaching.parameter_buckets import matching, values_at
from bridle.attaching.parameter_checks import check_initialized, check_parameter_kinds, padding_indices
from bridle.attaching.parameter_groups import (
    GroupDecay,
    ParameterGroups,
    is_decoupled,
    optimized_parameters,
    own_decays,
)
from bridle.attaching.parameter_ops import AscentOp, GradientOp, ParameterOp, PenaltyOp, WeightOp
from bridle.attaching.pass_recorder import PassRecorder
from bridle.attaching.placement_notes import placement_notes
from bridle.attaching.requirements import check_steps, check_supported
from bridle.attaching.setup_notes import average_notes, layer_notes, loss_notes, parameter_notes, precision_notes
from bridle.attaching.stopping import Stopping
from bridle.attaching.trained_parameters import (
    AveragedTensor,
    ModelParameter,
    TrainedParameter,
    found_at,
    statistics_of,
)
from bridle.attaching.training_progress import TrainingProgress
from bridle.errors import InputError
from bridle.places import (
    ActivityLoss,
    Ascent,
    Average,
    Batch,
    Ensemble,
    Gradient,
    Loss,
    OutputLoss,
    PassLoss,
    Weight,
)
from bridle.recipe import Recipe
from bridle.regularizers import L2, WeightDecay
from bridle_audit.parameter_kinds import has_sign_parameters


@dataclass(frozen=True)
class Options:
    """The options of :func:`bridle.attach`."""

    loss: LossFunction | None = None
    steps: int | None = None
    example: Any = None
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
        keeps_output = any(isinstance(unit, OutputLoss | PassLoss) for unit in recipe)
        marks = any(isinstance(unit, Ascent | PassLoss) and not unit.fresh_noise for unit in recipe)
        self.recorder = PassRecorder(layer_noise(model, options.seed), keeps_output=keeps_output, marks=marks)
        with ExitStack() as undo:
            self.insert(undo)
            self.build_ops()
            self.undo = undo.pop_all()

    def insert(self, undo: ExitStack) -> None:
        """Make all changes to model and optimizer: layers, parametrizations, hooks, parameter groups."""
        model, options = self.model, self.options
        own = self.find_trained()
        model_layout = ModelLayout(model, options.example)
        self.outputs = options.classes or model_layout.outputs
        self.objective = objective_of(options.loss, options.task, self.recipe, self.outputs)
        insertion = LayerInsertion(model_layout, self.recipe, self.recorder, undo, seeded=options.seed is not None)
        insertion.insert({each.described: each.parameter for each in own})
        self.insertion, self.scheduled_modules, self.placements = (
            insertion,
            insertion.scheduled_modules,
            insertion.placements,
        )
        self.notes += [*layer_notes(self.recipe, insertion), *placement_notes(insertion, options.example)]
        self.notes += loss_notes(self.recipe, self.objective)
        if options.seed is not None or any(notes_passes(unit) for unit in self.recipe):
            undo.callback(model.register_forward_pre_hook(self.recorder.pre_forward, with_kwargs=True).remove)
            undo.callback(model.register_forward_hook(self.recorder.post_forward, with_kwargs=True).remove)
            self.recorder.hooked = True
        self.groups = ParameterGroups(self.optimizer)
        undo.callback(self.groups.restore)
        places = self.groups.indices()
        new = {
            each.parameter: (each.described.name, 0 if each.beside is None else places.get(each.beside, 0))
            for each in insertion.new
        }
        found = [*own, *(ModelParameter(each.described, each.parameter) for each in insertion.new)]
        self.groups.arrange(self.wanted_decays(found), new)
        places = self.groups.indices()
        self.parameters = [each.in_group(places[each.parameter]) for each in found]

    def set_task(self, task: str) -> None:
        """Set the task of the outputs; ``ValueError`` where a regularizer does not fit it."""
        self.objective = objective_of(self.options.loss, task, self.recipe, self.outputs)
        self.batches.objective = self.passes.objective = self.objective

    def find_trained(self) -> list[ModelParameter]:
        """Return the model's trained parameters: those that require gradients and are in the optimizer."""
        held = {*optimized_parameters(self.optimizer)}
        frozen, free = [], []
        found: list[ModelParameter] = []
        self.untrained: list[ModelParameter] = []  # which may be trained later
        modules = dict(self.model.named_modules())
        padding = padding_indices(modules)
        for name, parameter in self.model.named_parameters():
            each = found_at(modules, name, parameter, padding)
            if not parameter.requires_grad:
                frozen.append(name)
            elif parameter not in held:
                free.append(name)
            (found if parameter.requires_grad and parameter in held else self.untrained).append(each)
        if not found:
            raise InputError("the optimizer holds none of the model's parameters that require gradients")
        check_parameter_kinds(self.recipe, {each.described: each.parameter for each in found}, modules)
        self.notes += parameter_notes(self.recipe, [each.described for each in found], modules)
        if frozen:
            self.notes.append(f"frozen, so left alone: {', '.join(frozen)}")
        if free:
            self.notes.append(f"not in the optimizer, so left alone: {', '.join(free)}")
        return found

    def wanted_decays(self, found: Sequence[ModelParameter]) -> dict[nn.Parameter, GroupDecay]:
        """Return the ``weight_decay`` that the optimizer applies itself: the recipe's where both agree, else 0."""
        decays = [unit for unit in self.recipe if isinstance(unit, WeightDecay)]
        resting = own_decays(self.optimizer, [each.parameter for each in found])
        amounts = " and ".join(f"{each:g}" for each in resting)
        self.optimizer_decays: dict[Parameter, WeightDecay] = {}
        if not decays:
            self.notes += [
                f"the optimizer's own weight_decay makes zero of the weight that {each.described.made_by} makes of "
                f"{each.described.name}: give that a group without"
                for each in found
                if has_sign_parameters(each.described.made_by) and own_decays(self.optimizer, [each.parameter])
            ]
            if resting and any(isinstance(unit, L2) for unit in self.recipe):
                self.notes.append(f"the optimizer's own weight_decay of {amounts} stays, and L2 acts besides it")
            return {}
        if resting:
            self.notes.append(f"the optimizer's own weight_decay of {amounts} rests: WeightDecay says what decays")
        chosen = [(unit, each) for unit in decays for each in selected(unit, [each.described for each in found])]
        once = len({each for _, each in chosen}) == len(chosen)
        if (
            once
            and is_decoupled(self.optimizer)
            and not self.groups.counted
            and all(unit.per == "lr" for unit in decays)
        ):
            self.optimizer_decays = {each: unit for unit, each in chosen}
        return {each.parameter: self.decay(each) for each in found}

    def decay(self, each: ModelParameter) -> GroupDecay:
        """Return the ``weight_decay`` that the optimizer applies itself to one parameter of the recipe's."""
        unit = self.optimizer_decays.get(each.described)
        if unit is None:
            return GroupDecay(0.0)
        return GroupDecay(unit.numbers(*each.described.names)["strength"], values_at(unit, each.described))

    def build_ops(self) -> None:
        """Build everything that acts without changing model or optimizer."""
        recipe, parameters, options = self.recipe, self.parameters, self.options
        statistics = statistics_of(self.model)
        noise = self.noise = parameter_noise(self.model, recipe, options.seed)
        in_optimizer = set(self.optimizer_decays.values())
        weights = [unit for unit in recipe if isinstance(unit, Weight) and unit not in in_optimizer]
        shown = [unit for unit in recipe if isinstance(unit, Batch)]
        features, objective = tuple(options.features), self.objective
        self.batches = BatchTransforms(
            shown, self.model, self.recorder, options.loss, objective, self.outputs, features
        )
        self.passes = ForwardPenalties(self.model, recipe, self.recorder, objective)
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
        optimizer_decays = [(unit, each) for unit, each in self.decays() if each.described in self.optimizer_decays]
        self.scheduled_decays = [(unit, each) for unit, each in optimizer_decays if unit.is_scheduled]
        self.apply_schedules()

    def retarget(self, parameters: Sequence[TrainedParameter], added: Sequence[TrainedParameter]) -> None:
        """Let all operations on parameters act on these, ``added`` since the last step among them.

        The optimizer's own decay was put into groups when the recipe was attached; parameters that come later are
        decayed like it, before the update.
        """
        self.parameters = list(parameters)
        self.late_parameters = [each for each in (*self.late_parameters, *added) if each in self.parameters]
        self.pre_update_ops = [act for act in self.pre_update_ops if act.unit not in self.optimizer_decays.values()]
        ops: list[ParameterOp] = [
            *self.penalties,
            *self.ascents,
            *self.gradient_ops,
            *self.pre_update_ops,
            *self.post_update_ops,
        ]
        actors: list[ParameterOp | WeightAverages | EnsembleSnapshots] = [*ops, *self.averages, *self.ensembles]
        for taker in actors:
            taker.take_in(parameters)
        for unit in dict.fromkeys(self.optimizer_decays.values()):
            by_hooks = [each for each in self.late_parameters if each.described not in self.optimizer_decays]
            if chosen := matching(unit, by_hooks):
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

    def decays(self) -> list[tuple[WeightDecay, TrainedParameter]]:
        """Return each WeightDecay with each parameter that it decays, by a hook or in the optimizer."""
        by_hooks = [
            (act.unit, each)
            for act in self.pre_update_ops
            if isinstance(act.unit, WeightDecay)
            for each in act.parameters
        ]
        optimizer_decays = [
            (self.optimizer_decays[each.described], each)
            for each in self.parameters
            if each.described in self.optimizer_decays
        ]
        return optimizer_decays + by_hooks

    def apply_schedules(self) -> None:
        """Set the scheduled knobs in model and optimizer to their values at the current progress."""
        for module in self.scheduled_modules:
            module.at(self.progress.passed)
        for unit, each in self.scheduled_decays:
            strength = unit.numbers(*each.described.names, passed=self.progress.passed)["strength"]
            self.optimizer.param_groups[each.group]["weight_decay"] = strength


def notes_passes(unit: Any) -> bool:
    """Return True if a regularizer needs a record of the model's forward passes."""
    return isinstance(unit, ActivityLoss | OutputLoss | PassLoss | Ascent) or (
        isinstance(unit, Batch) and bool({"slope", "prediction"} & {*unit.extra_inputs})
    )
