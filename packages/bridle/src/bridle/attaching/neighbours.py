"""What of the model's own a recipe's layers stand beside: norms behind them, and ways around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_leaves

from bridle.attaching.calling import call_of
from bridle.attaching.frame import Frame
from bridle.attaching.layers import Insertion
from bridle.attaching.lora import of_branches
from bridle.attaching.tape import resting
from bridle.modes import eval_mode
from bridle.module_sites import PREFIX, parent_module
from bridle.networks import Residual
from bridle.places import Layer, WeightLayer
from bridle.recipe import Regularizer, conflicts
from bridle.regularizers import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from bridle_audit.kinds import NORMS
from bridle_audit.wording import first_few

OWN = {_BatchNorm: BatchNorm, nn.LayerNorm: LayerNorm, nn.GroupNorm: GroupNorm, nn.RMSNorm: RMSNorm}


def of_neighbours(insertion: Insertion, example: Any) -> Iterator[str]:
    """On layers beside what the model has of its own."""
    order = RunningOrder(insertion.frame)
    acting: dict[Regularizer, list[tuple[bool, str]]] = {}
    for unit, where, name in insertion.log:
        acting.setdefault(unit, []).append((where.startswith("on the input"), name))
    for unit, places in acting.items():
        yield from of_norms(unit, places, order)
        if isinstance(unit, Layer) and any(draw.each == "row" for draw in unit.noise):
            yield from of_rows(unit, [name for _, name in places], insertion.frame, example)
        yield from of_branches(unit, [name for _, name in places], insertion.frame.model)


class RunningOrder:
    """The model's own parts without children, in the order in which they run as far as one knows."""

    def __init__(self, frame: Frame) -> None:
        self.parts = frame.parts
        names = list(frame.seen) or list(frame.parts)
        self.names = [name for name in names if is_leaf(frame.parts[name])]
        self.seen = list(frame.seen)

    def behind(self, name: str) -> list[str]:
        """The parts that run behind a part."""
        if name in self.names:
            return self.names[self.names.index(name) + 1 :]
        if name in self.seen:  # a part with children, noted where it ends
            done = {*self.seen[: self.seen.index(name)]}
            return [each for each in self.names if each not in done]
        within = [index for index, each in enumerate(self.names) if each.startswith(f"{name}.")]
        return self.names[within[-1] + 1 :] if within else []


def of_norms(unit: Regularizer, places: Sequence[tuple[bool, str]], order: RunningOrder) -> Iterator[str]:
    """On norms of the model's own: the next behind noise, and those right behind what normalizes."""
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
    for sentence in doubts(unit, BatchNorm()) if isinstance(unit, Layer) and unit.noise and batch else ():
        yield f"{unit!r} stands in front of batch norms of the model's own, {first_few(batch)}: {sentence}"
    if right and isinstance(unit, Layer) and unit.parameters:
        yield (
            f"{unit!r} stands beside norms of the model's own, {first_few(right)}: what one has normalized, the other "
            f"normalizes again; leave it out, or say where the model has none: at="
        )
    if right and isinstance(unit, WeightLayer):
        kinds = dict.fromkeys(OWN[kind]() for each in right for kind in OWN if isinstance(order.parts[each], kind))
        for sentence in dict.fromkeys(each for kind in kinds for each in doubts(unit, kind)):
            yield f"{unit!r} acts in front of norms of the model's own, {first_few(right)}: {sentence}"


def of_rows(unit: Layer, names: Sequence[str], frame: Frame, example: Any) -> Iterator[str]:
    """On layers that take the whole of an example away, where nothing goes around them."""
    doubtful = [name for name in names if not isinstance(parent_module(frame.model, name), Residual)]
    lost = {name: is_lost(frame, name, example) for name in doubtful}
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


def is_lost(frame: Frame, name: str, example: Any) -> bool | None:
    """Whether the model's outputs no longer depend on its input once a part gives out zeros; ``None`` if unknown."""
    if example is None:
        return None
    args, kwargs = call_of(example)

    def outputs() -> list[Tensor]:
        return [each for each in tree_leaves(frame.model(*args, **kwargs)) if isinstance(each, Tensor) and each.ndim]

    try:
        with eval_mode(frame.model), resting(frame.model), torch.no_grad():
            if all(alike(each) for each in outputs()):
                return None  # of a single row, or of equal ones
            hook = frame.parts[name].register_forward_hook(lambda part, inputs, out: torch.zeros_like(out))
            try:
                return all(alike(each) for each in outputs())
            finally:
                hook.remove()
    except Exception:  # whatever the user's code may raise
        return None


def alike(output: Tensor) -> bool:
    """Whether all rows of an output are the same."""
    return bool(torch.allclose(output, output[:1].expand_as(output)))


def doubts(unit: Regularizer, norm: Regularizer) -> list[str]:
    """What the cards say of a regularizer and a norm in one recipe."""
    return [conflict.sentence for _, _, conflict in conflicts((unit, norm))]


def is_leaf(part: nn.Module) -> bool:
    """Whether a part has no children of its own."""
    return all(name.startswith((PREFIX, "parametrizations")) for name, _ in part.named_children())
