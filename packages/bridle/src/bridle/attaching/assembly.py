"""A recipe taken apart, and each part put where it acts in the user's model and optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from bridle.acting import Parameter, selected
from bridle.attaching.acts import Act, Change, Climb, Penalty
from bridle.attaching.advice import of_averages, of_layers, of_loss, of_parameters, of_resolution
from bridle.attaching.averages import Averages
from bridle.attaching.batches import Batches
from bridle.attaching.copies import Copies
from bridle.attaching.frame import Frame
from bridle.attaching.groups import Decay, Groups, held_by, is_decoupled, own_decays
from bridle.attaching.layers import Insertion
from bridle.attaching.lora import of_decays
from bridle.attaching.neighbours import of_neighbours
from bridle.attaching.noise import layer_noise, parameter_noise
from bridle.attaching.objectives import LossFunction, objective_of
from bridle.attaching.passes import Passes
from bridle.attaching.requirements import check, check_steps
from bridle.attaching.stopping import Stopping
from bridle.attaching.tape import Tape
from bridle.attaching.targets import Averaged, Found, Moment, Target, found_at, matching, statistics_of, values_at
from bridle.attaching.unusual import check_kinds, check_values, padding_rows
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
from bridle_audit.kinds import reads_signs


@dataclass(frozen=True)
class Options:
    """What else the user has said."""

    loss: LossFunction | None = None
    steps: int | None = None
    example: Any = None
    seed: int | None = None
    classes: int | None = None
    features: Sequence[str] = ()
    task: str | None = None


class Assembly:
    """The parts of one recipe, attached; ``undo`` takes all of it off again."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, recipe: Recipe, options: Options) -> None:
        check(model, optimizer)
        check_steps(recipe, options.steps)
        check_values(model, recipe)
        self.model, self.optimizer, self.recipe, self.options = model, optimizer, recipe, options
        self.notes: list[str] = [*recipe.notes()]
        self.moment = Moment(optimizer, options.steps)
        keeps_output = any(isinstance(unit, OutputLoss | PassLoss) for unit in recipe)
        marks = any(isinstance(unit, Ascent | PassLoss) and not getattr(unit, "fresh_noise", False) for unit in recipe)
        self.tape = Tape(layer_noise(model, options.seed), keeps_output=keeps_output, marks=marks)
        with ExitStack() as undo:
            self.put_in(undo)
            self.act()
            self.undo = undo.pop_all()

    def put_in(self, undo: ExitStack) -> None:
        """Everything that changes model and optimizer: layers, formulas on weights, hooks, groups."""
        model, options = self.model, self.options
        own = self.trained()
        frame = Frame(model, options.example)
        self.outputs = options.classes or frame.outputs
        self.objective = objective_of(options.loss, options.task, self.recipe, self.outputs)
        insertion = Insertion(frame, self.recipe, self.tape, undo, seeded=options.seed is not None)
        insertion.insert({each.described: each.parameter for each in own})
        self.insertion, self.modules, self.log = insertion, insertion.modules, insertion.log
        self.notes += [*of_layers(self.recipe, insertion), *of_neighbours(insertion, options.example)]
        self.notes += of_loss(self.recipe, self.objective)
        if options.seed is not None or any(notes_passes(unit) for unit in self.recipe):
            undo.callback(model.register_forward_pre_hook(self.tape.before, with_kwargs=True).remove)
            undo.callback(model.register_forward_hook(self.tape.behind, with_kwargs=True).remove)
            self.tape.hooked = True
        self.groups = Groups(self.optimizer)
        undo.callback(self.groups.restore)
        places = self.groups.indices()
        new = {
            each.parameter: (each.described.name, 0 if each.beside is None else places.get(each.beside, 0))
            for each in insertion.new
        }
        found = [*own, *(Found(each.described, each.parameter) for each in insertion.new)]
        self.groups.arrange(self.wanted(found), new)
        places = self.groups.indices()
        self.targets = [each.in_group(places[each.parameter]) for each in found]

    def tell(self, task: str) -> None:
        """Take it that the outputs are for this task; ``ValueError`` where a regularizer does not fit."""
        self.objective = objective_of(self.options.loss, task, self.recipe, self.outputs)
        self.batches.objective = self.passes.objective = self.objective

    def trained(self) -> list[Found]:
        """The model's parameters that are trained: they require gradients and are in the optimizer."""
        held = {*held_by(self.optimizer)}
        frozen, free = [], []
        found: list[Found] = []
        self.passed_by: list[Found] = []  # which may be trained later
        modules = dict(self.model.named_modules())
        padding = padding_rows(modules)
        for name, parameter in self.model.named_parameters():
            each = found_at(modules, name, parameter, padding)
            if not parameter.requires_grad:
                frozen.append(name)
            elif parameter not in held:
                free.append(name)
            (found if parameter.requires_grad and parameter in held else self.passed_by).append(each)
        if not found:
            raise InputError("the optimizer holds none of the model's parameters that require gradients")
        check_kinds(self.recipe, {each.described: each.parameter for each in found}, modules)
        self.notes += of_parameters(self.recipe, [each.described for each in found], modules)
        if frozen:
            self.notes.append(f"frozen, so left alone: {', '.join(frozen)}")
        if free:
            self.notes.append(f"not in the optimizer, so left alone: {', '.join(free)}")
        return found

    def wanted(self, found: Sequence[Found]) -> dict[nn.Parameter, Decay]:
        """The decay that the optimizer itself is to give: that of the recipe, if both mean the same, or none."""
        decays = [unit for unit in self.recipe if isinstance(unit, WeightDecay)]
        resting = own_decays(self.optimizer, [each.parameter for each in found])
        amounts = " and ".join(f"{each:g}" for each in resting)
        self.in_groups: dict[Parameter, WeightDecay] = {}
        if not decays:
            self.notes += [
                f"the optimizer's own weight_decay makes zero of the weight that {each.described.made_by} makes of "
                f"{each.described.name}: give that a group without"
                for each in found
                if reads_signs(each.described.made_by) and own_decays(self.optimizer, [each.parameter])
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
            self.in_groups = {each: unit for unit, each in chosen}
        return {each.parameter: self.decay(each) for each in found}

    def decay(self, each: Found) -> Decay:
        """The decay that the optimizer itself is to give to a parameter of the recipe's."""
        unit = self.in_groups.get(each.described)
        if unit is None:
            return Decay(0.0)
        return Decay(unit.numbers(*each.described.names)["strength"], values_at(unit, each.described))

    def act(self) -> None:
        """All that acts without changing the structure of anything."""
        recipe, targets, options = self.recipe, self.targets, self.options
        statistics = statistics_of(self.model)
        noise = self.noise = parameter_noise(self.model, recipe, options.seed)
        in_optimizer = set(self.in_groups.values())
        weights = [unit for unit in recipe if isinstance(unit, Weight) and unit not in in_optimizer]
        shown = [unit for unit in recipe if isinstance(unit, Batch)]
        features, objective = tuple(options.features), self.objective
        self.batches = Batches(shown, self.model, self.tape, options.loss, objective, self.outputs, features)
        self.passes = Passes(self.model, recipe, self.tape, objective)
        self.penalties = [Penalty(unit, targets) for unit in recipe if isinstance(unit, Loss)]
        self.climbs = [Climb(unit, targets) for unit in recipe if isinstance(unit, Ascent)]
        self.gradients = [Change(unit, targets, noise) for unit in recipe if isinstance(unit, Gradient)]
        self.before = [Change(unit, targets, noise) for unit in weights if not unit.after_update]
        self.behind = [Change(unit, targets, noise) for unit in weights if unit.after_update]
        self.averages = [Averages(unit, targets, statistics) for unit in recipe if isinstance(unit, Average)]
        members: list[Averaged] = [*targets, *statistics]
        self.copies = [Copies(unit, self.model, members) for unit in recipe if isinstance(unit, Ensemble)]
        self.late: list[Target] = []  # what has come since
        self.stopping = Stopping(recipe)
        self.notes += of_resolution(self.decays(), self.moment)
        shrinking = [(penalty.unit, each.name) for penalty in self.penalties for each in penalty.targets]
        self.notes += of_decays([*((unit, each.name) for unit, each in self.decays()), *shrinking], self.model)
        self.notes += of_averages(recipe, options.steps, bool(statistics))
        in_groups = [(unit, each) for unit, each in self.decays() if each.described in self.in_groups]
        self.scheduled = [(unit, each) for unit, each in in_groups if unit.is_scheduled]
        self.set_moment()

    def act_on(self, targets: Sequence[Target], come: Sequence[Target]) -> None:
        """Let all that acts on parameters act on these, of which some have come since the last step.

        What the optimizer itself decays was put into groups when the recipe was attached; what comes later is decayed
        like it, before the update.
        """
        self.targets = list(targets)
        self.late = [each for each in (*self.late, *come) if each in self.targets]
        self.before = [act for act in self.before if act.unit not in self.in_groups.values()]
        acts: list[Act] = [*self.penalties, *self.climbs, *self.gradients, *self.before, *self.behind]
        takers: list[Act | Averages | Copies] = [*acts, *self.averages, *self.copies]
        for taker in takers:
            taker.take_in(targets)
        for unit in dict.fromkeys(self.in_groups.values()):
            by_hooks = [each for each in self.late if each.described not in self.in_groups]
            if chosen := matching(unit, by_hooks):
                self.before.insert(0, Change(unit, chosen, self.noise))

    def add_penalties(self, scale: float = 1.0) -> None:
        """Add the gradients of the penalties on weights to gradients that are too large by ``scale``."""
        targets = self.targets if scale != 1 and self.penalties else []
        gradients = [each.parameter.grad for each in targets if each.parameter.grad is not None]
        if gradients:
            torch._foreach_div_(gradients, scale)
        for each in self.penalties:
            each.add_gradients(self.moment)
        if gradients:
            torch._foreach_mul_(gradients, scale)

    def decays(self) -> list[tuple[WeightDecay, Target]]:
        """The parameters that a weight decay of the recipe acts on, by itself or by the optimizer."""
        by_hooks = [
            (act.unit, each) for act in self.before if isinstance(act.unit, WeightDecay) for each in act.targets
        ]
        in_groups = [
            (self.in_groups[each.described], each) for each in self.targets if each.described in self.in_groups
        ]
        return in_groups + by_hooks

    def set_moment(self) -> None:
        """Let everything that lies in model and optimizer have the strength of this moment of the training."""
        for module in self.modules:
            module.at(self.moment.passed)
        for unit, each in self.scheduled:
            strength = unit.numbers(*each.described.names, passed=self.moment.passed)["strength"]
            self.optimizer.param_groups[each.group]["weight_decay"] = strength


def notes_passes(unit: Any) -> bool:
    """Whether a regularizer needs to know of the model's passes."""
    return isinstance(unit, ActivityLoss | OutputLoss | PassLoss | Ascent) or (
        isinstance(unit, Batch) and bool({"slope", "prediction"} & {*unit.extra_inputs})
    )
