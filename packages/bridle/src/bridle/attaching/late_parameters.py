"""Parameters that join, leave or are replaced during training, as in gradual unfreezing."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, is_

from torch import nn

from bridle.attaching.assembly import Assembly
from bridle.attaching.parameter_buckets import select_parameters
from bridle.attaching.parameter_checks import check_parameter_kinds, padding_indices
from bridle.attaching.parameter_groups import optimized_parameters
from bridle.attaching.trained_parameters import TrainedParameter, describe_parameter
from bridle.errors import StateError
from bridle.places import WeightLayer
from bridle.regularizers import WeightDecay

__all__ = ["TrainableTracker"]

PARAMETERS, REQUIRES_GRAD = attrgetter("_parameters"), attrgetter("requires_grad")


class TrainableTracker:
    """Compares the recipe's parameters with the trained ones before each step, and adds new ones."""

    def __init__(self, parts: Assembly) -> None:
        self.parts, self.model, self.optimizer = parts, parts.model, parts.optimizer
        self.snapshot()

    def snapshot(self) -> None:
        """Remember the trained parameters and the modules that own them."""
        self.trained = self.trainable_ids()
        owners = {
            each: (part, kind)
            for part in self.model.modules()
            for kind, each in part._parameters.items()
            if each is not None
        }
        self.held = [each.parameter for each in self.parts.parameters]
        self.owners, self.kinds = [owners[each][0] for each in self.held], [owners[each][1] for each in self.held]

    def trainable_ids(self) -> list[int]:
        """Return the ids of the optimizer's parameters that require gradients."""
        return [*map(id, filter(REQUIRES_GRAD, optimized_parameters(self.optimizer)))]

    def update(self) -> list[TrainedParameter]:
        """Return the parameters added since the last step; ``RuntimeError`` if the recipe cannot act on them."""
        now = map(dict.get, map(PARAMETERS, self.owners), self.kinds)  # each step does this: no loop of Python's own
        if all(map(is_, now, self.held)) and self.trained == self.trainable_ids():
            return []
        added = self.resync()
        self.snapshot()
        return added

    def resync(self) -> list[TrainedParameter]:
        """Let all operations act on the parameters that are trained now; return the added ones."""
        parts, named = self.parts, dict(self.model.named_parameters())
        names = {each: name for name, each in named.items()}
        removed = [each for each in parts.parameters if each.parameter not in names]
        self.check_replaced_parameters(removed, named)
        known = {each.parameter for each in parts.parameters}
        held = parts.groups.indices()
        modules = dict(self.model.named_modules())
        added = [
            self.describe(each, name, held[each], modules)
            for each, name in names.items()
            if each.requires_grad and each in held and each not in known
        ]
        if not (added or removed):
            return []
        acted_on = [each for each in parts.parameters if each not in removed] + added
        check_parameter_kinds(parts.recipe, {each.described: each.parameter for each in acted_on}, modules)
        self.check_weight_layers(added)
        self.disable_optimizer_decay(added)
        parts.retarget(acted_on, added)
        if added:
            parts.notes.append(
                f"trained since step {parts.progress.step + 1}, and acted on from then on: "
                f"{', '.join(each.name for each in added)}"
            )
        return added

    def describe(
        self, parameter: nn.Parameter, name: str, group: int, modules: dict[str, nn.Module]
    ) -> TrainedParameter:
        """Return a new parameter under the name that it had before attach, if it existed then."""
        for each in self.parts.untrained:
            if each.parameter is parameter:
                return each.in_group(group)
        return describe_parameter(modules, name, parameter, padding_indices(modules)).in_group(group)

    def check_replaced_parameters(self, removed: Sequence[TrainedParameter], named: dict[str, nn.Parameter]) -> None:
        """Raise ``RuntimeError`` if the optimizer holds a parameter that the model has replaced."""
        held = {*optimized_parameters(self.optimizer)}
        for each in removed:
            other = named.get(each.name)
            if other is not None and other.requires_grad and other not in held:
                raise StateError(
                    f"{each.name} is another parameter than it was (assigned, or load_state_dict(assign=True)), and "
                    f"the optimizer still holds the one before, so that it is not trained: make the optimizer anew and "
                    f"attach the recipe to both"
                )

    def check_weight_layers(self, added: Sequence[TrainedParameter]) -> None:
        """Raise ``RuntimeError`` if a new parameter is one that the recipe would have to parametrize."""
        for unit in self.parts.recipe:
            if isinstance(unit, WeightLayer) and added:
                chosen = select_parameters(unit, added)
                if chosen:
                    raise StateError(
                        f"{unit!r} makes weights from attach on, and {chosen[0].name} is trained only since now: let "
                        f"it require gradients, in the optimizer, when the recipe is attached, or choose others by on="
                    )

    def disable_optimizer_decay(self, added: Sequence[TrainedParameter]) -> None:
        """Set the optimizer's ``weight_decay`` of new parameters' groups to 0 if the recipe has its own decay."""
        if not any(isinstance(unit, WeightDecay) for unit in self.parts.recipe):
            return
        model_parameters = {*self.model.parameters()}
        units = {each.parameter: self.parts.optimizer_decays.get(each.described) for each in self.parts.parameters}
        for index in {each.group for each in added}:
            group = self.optimizer.param_groups[index]
            amount = group.get("weight_decay", 0.0)
            by_recipe = next((unit for each in group["params"] if (unit := units.get(each))), None)
            if by_recipe is not None:  # somebody has put it beside what the recipe decays
                self.parts.optimizer_decays.update({each.described: by_recipe for each in added if each.group == index})
            elif amount and not model_parameters.issuperset(group["params"]):
                raise StateError(
                    f"the optimizer's weight_decay of {amount:g} is also that of parameters that are not in the model, "
                    f"and WeightDecay says what decays in it: put the model's into a group of their own"
                )
            elif amount:
                group["weight_decay"] = 0.0
                self.parts.undo.callback(self.restore_decay, index, amount)

    def restore_decay(self, index: int, amount: float) -> None:
        """Restore the ``weight_decay`` of a group."""
        self.optimizer.param_groups[index]["weight_decay"] = amount
