"""Notes on a recipe's layers beside the model's own norms, residual branches and LoRA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_leaves

from bridle.attaching.layers import LayerInsertion
from bridle.attaching.lora_notes import lora_placement_notes
from bridle.attaching.model_inputs import as_call_arguments
from bridle.attaching.model_layout import ModelLayout
from bridle.attaching.pass_recorder import frozen_buffers
from bridle.eval_mode import eval_mode
from bridle.module_sites import PREFIX, parent_module
from bridle.networks import Residual
from bridle.places import Layer, WeightLayer
from bridle.recipe import Regularizer, conflicts
from bridle.regularizers import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from bridle_audit.parameter_kinds import NORMS
from bridle_audit.wording import first_few

__all__ = ["placement_notes"]

OWN = {_BatchNorm: BatchNorm, nn.LayerNorm: LayerNorm, nn.GroupNorm: GroupNorm, nn.RMSNorm: RMSNorm}


def placement_notes(insertion: LayerInsertion, example: object) -> Iterator[str]:
    """Yield notes on layers beside the model's own norms, residual branches and LoRA."""
    order = ExecutionOrder(insertion.model_layout)
    acting: dict[Regularizer, list[tuple[bool, str]]] = {}
    for unit, where, name in insertion.placements:
        acting.setdefault(unit, []).append((where.startswith("on the input"), name))
    for unit, places in acting.items():
        yield from norm_notes(unit, places, order)
        if isinstance(unit, Layer) and any(draw.each == "row" for draw in unit.noise):
            yield from residual_branch_notes(unit, [name for _, name in places], insertion.model_layout, example)
        yield from lora_placement_notes(unit, [name for _, name in places], insertion.model_layout.model)


class ExecutionOrder:
    """The model's modules without children, in the order in which they run as far as it is known."""

    def __init__(self, model_layout: ModelLayout) -> None:
        self.parts = model_layout.modules
        names = list(model_layout.io_shapes) or list(model_layout.modules)
        self.names = [name for name in names if is_leaf(model_layout.modules[name])]
        self.executed = list(model_layout.io_shapes)

    def behind(self, name: str) -> list[str]:
        """Return the modules that run after a module."""
        if name in self.names:
            return self.names[self.names.index(name) + 1 :]
        if name in self.executed:  # a part with children, noted where it ends
            done = {*self.executed[: self.executed.index(name)]}
            return [each for each in self.names if each not in done]
        within = [index for index, each in enumerate(self.names) if each.startswith(f"{name}.")]
        return self.names[within[-1] + 1 :] if within else []


def norm_notes(unit: Regularizer, places: Sequence[tuple[bool, str]], order: ExecutionOrder) -> Iterator[str]:
    """Yield notes on the model's own norms: the next after noise, and those next to the recipe's norms."""
    batch: list[str] = []
    right: list[str] = []
    for on_input, place in places:
        name = place.removesuffix(".weight")
        behind = ([name] if on_input else []) + order.behind(name)
        norms = [each for each in behind if isinstance(order.parts[each], NORMS)]
        if norms and isinstance(order.parts[norms[0]], _BatchNorm):
            batch.append(norms[0])
        if isinstance(order.parts.get(name), NORMS) and not on_input:
            right.append(name)
        elif norms and norms[0] == behind[0]:
            right.append(norms[0])
    batch, right = [*dict.fromkeys(batch)], [*dict.fromkeys(right)]
    for sentence in conflict_sentences(unit, BatchNorm()) if isinstance(unit, Layer) and unit.noise and batch else ():
        yield f"{unit!r} stands in front of batch norms of the model's own, {first_few(batch)}: {sentence}"
    if right and isinstance(unit, Layer) and unit.parameters:
        yield (
            f"{unit!r} stands beside norms of the model's own, {first_few(right)}: what one has normalized, the other "
            f"normalizes again; leave it out, or say where the model has none: at="
        )
    if right and isinstance(unit, WeightLayer):
        kinds = dict.fromkeys(OWN[kind]() for each in right for kind in OWN if isinstance(order.parts[each], kind))
        for sentence in dict.fromkeys(each for kind in kinds for each in conflict_sentences(unit, kind)):
            yield f"{unit!r} acts in front of norms of the model's own, {first_few(right)}: {sentence}"


def residual_branch_notes(
    unit: Layer, names: Sequence[str], model_layout: ModelLayout, example: object
) -> Iterator[str]:
    """Yield notes on layers that drop whole examples outside of a residual branch."""
    doubtful = [name for name in names if not isinstance(parent_module(model_layout.model, name), Residual)]
    lost = {name: makes_outputs_constant(model_layout, name, example) for name in doubtful}
    for name, verdict in lost.items():
        if verdict:
            yield (
                f"{unit!r} takes whole examples away: with the output of {name} at zero, the model gives out the same "
                f"for all of them; it is for a branch that is added to what goes around it"
            )
    unknown = [name for name, verdict in lost.items() if verdict is None]
    if unknown:
        yield (
            f"{unit!r} sets the output of {first_few(unknown)} to zero for whole examples: right for a branch that is "
            f"added to what goes around it, wrong for a block that adds within itself; example=two rows or more tells"
        )


def makes_outputs_constant(model_layout: ModelLayout, name: str, example: object) -> bool | None:
    """Return True if the outputs no longer depend on the input once a module returns zeros; ``None`` if unknown."""
    if example is None:
        return None
    args, kwargs = as_call_arguments(example)

    def outputs() -> list[Tensor]:
        return [
            each for each in tree_leaves(model_layout.model(*args, **kwargs)) if isinstance(each, Tensor) and each.ndim
        ]

    try:
        with eval_mode(model_layout.model), frozen_buffers(model_layout.model), torch.no_grad():
            if all(rows_equal(each) for each in outputs()):
                return None  # of a single row, or of equal ones
            hook = model_layout.modules[name].register_forward_hook(lambda part, inputs, out: torch.zeros_like(out))
            try:
                return all(rows_equal(each) for each in outputs())
            finally:
                hook.remove()
    except Exception:  # whatever the user's code may raise
        return None


def rows_equal(output: Tensor) -> bool:
    """Return True if all rows of an output are equal."""
    return bool(torch.allclose(output, output[:1].expand_as(output)))


def conflict_sentences(unit: Regularizer, norm: Regularizer) -> list[str]:
    """Return the conflicts of a regularizer and a norm, in the words of their cards."""
    return [conflict.sentence for _, _, conflict in conflicts((unit, norm))]


def is_leaf(part: nn.Module) -> bool:
    """Return True if a module has no children of its own."""
    return all(name.startswith((PREFIX, "parametrizations")) for name, _ in part.named_children())
