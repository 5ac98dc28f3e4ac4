"""Parameters that are trained only later, as gradual unfreezing does, and such as are replaced or go."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, is_

from torch import nn

from bridle.attaching.assembly import Assembly
from bridle.attaching.groups import held_by
from bridle.attaching.targets import Target, found_at, matching
from bridle.attaching.unusual import check_kinds, padding_rows
from bridle.errors import StateError
from bridle.places import WeightLayer
from bridle.regularizers import WeightDecay

PARAMETERS, LEARNS = attrgetter("_parameters"), attrgetter("requires_grad")


class Roll:
    """Called before each step: whether the recipe's parameters are those that are trained; it takes in what is new."""

    def __init__(self, parts: Assembly) -> None:
        self.parts, self.model, self.optimizer = parts, parts.model, parts.optimizer
        self.note()

    def note(self) -> None:
        """Note what is trained now, and which parts of the model own it."""
        self.trained = self.trained_now()
        owners = {
            each: (part, kind)
            for part in self.model.modules()
            for kind, each in part._parameters.items()
            if each is not None
        }
        self.held = [each.parameter for each in self.parts.targets]
        self.owners, self.kinds = [owners[each][0] for each in self.held], [owners[each][1] for each in self.held]

    def trained_now(self) -> list[int]:
        """The parameters that the optimizer holds and that require a gradient, by their ids."""
        return [*map(id, filter(LEARNS, held_by(self.optimizer)))]

    def call(self) -> list[Target]:
        """Those that have come since the last step; ``RuntimeError`` where the recipe cannot act on them."""
        now = map(dict.get, map(PARAMETERS, self.owners), self.kinds)  # each step does this: no loop of Python's own
        if all(map(is_, now, self.held)) and self.trained == self.trained_now():
            return []
        come = self.take_in()
        self.note()
        return come

    def take_in(self) -> list[Target]:
        """Let all that acts on parameters act on those that are trained now."""
        parts, named = self.parts, dict(self.model.named_parameters())
        names = {each: name for name, each in named.items()}
        gone = [each for each in parts.targets if each.parameter not in names]
        self.check_replaced(gone, named)
        known = {each.parameter for each in parts.targets}
        held = parts.groups.indices()
        modules = dict(self.model.named_modules())
        come = [
            self.target(each, name, held[each], modules)
            for each, name in names.items()
            if each.requires_grad and each in held and each not in known
        ]
        if not (come or gone):
            return []
        acted_on = [each for each in parts.targets if each not in gone] + come
        check_kinds(parts.recipe, {each.described: each.parameter for each in acted_on}, modules)
        self.check_formulas(come)
        self.let_decays_rest(come)
        parts.act_on(acted_on, come)
        if come:
            parts.notes.append(
                f"trained since step {parts.moment.step + 1}, and acted on from then on: "
                f"{', '.join(each.name for each in come)}"
            )
        return come

    def target(self, parameter: nn.Parameter, name: str, group: int, modules: dict[str, nn.Module]) -> Target:
        """A parameter that has come, under the name that it had before anything was attached, if it was there."""
        for each in self.parts.passed_by:
            if each.parameter is parameter:
                return each.in_group(group)
        return found_at(modules, name, parameter, padding_rows(modules)).in_group(group)

    def check_replaced(self, gone: Sequence[Target], named: dict[str, nn.Parameter]) -> None:
        """Raise ``RuntimeError`` where the model has another parameter in place of one that the optimizer holds."""
        held = {*held_by(self.optimizer)}
        for each in gone:
            other = named.get(each.name)
            if other is not None and other.requires_grad and other not in held:
                raise StateError(
                    f"{each.name} is another parameter than it was (assigned, or load_state_dict(assign=True)), and "
                    f"the optimizer still holds the one before, so that it is not trained: make the optimizer anew and "
                    f"attach the recipe to both"
                )

    def check_formulas(self, come: Sequence[Target]) -> None:
        """Raise ``RuntimeError`` for weights that a formula of the recipe would have to make, in mid-training."""
        for unit in self.parts.recipe:
            if isinstance(unit, WeightLayer) and come:
                chosen = matching(unit, come)
                if chosen:
                    raise StateError(
                        f"{unit!r} makes weights from attach on, and {chosen[0].name} is trained only since now: let "
                        f"it require gradients, in the optimizer, when the recipe is attached, or choose others by on="
                    )

    def let_decays_rest(self, come: Sequence[Target]) -> None:
        """Let the optimizer's own decay rest in the groups of what has come, if the recipe says what decays."""
        if not any(isinstance(unit, WeightDecay) for unit in self.parts.recipe):
            return
        own = {*self.model.parameters()}
        units = {each.parameter: self.parts.in_groups.get(each.described) for each in self.parts.targets}
        for index in {each.group for each in come}:
            group = self.optimizer.param_groups[index]
            amount = group.get("weight_decay", 0.0)
            by_recipe = next((unit for each in group["params"] if (unit := units.get(each))), None)
            if by_recipe is not None:  # somebody has put it beside what the recipe decays
                self.parts.in_groups.update({each.described: by_recipe for each in come if each.group == index})
            elif amount and not own.issuperset(group["params"]):
                raise StateError(
                    f"the optimizer's weight_decay of {amount:g} is also that of parameters that are not in the model, "
                    f"and WeightDecay says what decays in it: put the model's into a group of their own"
                )
            elif amount:
                group["weight_decay"] = 0.0
                self.parts.undo.callback(self.restore, index, amount)

    def restore(self, index: int, amount: float) -> None:
        """Let a group have its own decay again."""
        self.optimizer.param_groups[index]["weight_decay"] = amount
