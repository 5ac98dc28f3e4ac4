"""Notes on LoRA: a frozen layer with a trained product of two small matrices beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

from bridle.attaching.folding import stored_weight
from bridle.module_sites import WEIGHTED
from bridle.recipe import Regularizer
from bridle_audit.wording import first_few

__all__ = ["lora_decay_notes", "lora_placement_notes"]


class LoRABranch(NamedTuple):
    """A frozen layer and the two small trained matrices beside it."""

    base: str
    small: list[str]  # layers, or parameters


def lora_placement_notes(unit: Regularizer, names: Sequence[str], model: nn.Module) -> Iterator[str]:
    """Yield a note if a regularizer acts on the frozen layer and the branch of LoRA separately."""
    places = {name.removesuffix(".weight") for name in names}
    found = {each for branch in lora_branches(model) for each in (branch.base, *branch.small)} & places
    if found:
        yield (
            f"{unit!r} acts on a frozen layer and the branches of LoRA beside it each by itself, and not on their sum: "
            f"{first_few(sorted(found))}; say where it is to act: {'on' if unit.on_parameters else 'at'}="
        )


def lora_decay_notes(decays: Sequence[tuple[Regularizer, str]], model: nn.Module) -> Iterator[str]:
    """Yield a note for each decay or penalty on branches of LoRA, which pulls towards the frozen weights."""
    small = {each for branch in lora_branches(model) for each in branch.small}
    acting: dict[Regularizer, list[str]] = {}
    for unit, name in decays:
        if name in small or name.rpartition(".")[0] in small:
            acting.setdefault(unit, []).append(name)
    for unit, names in acting.items():
        yield f"{unit!r} acts on the branches of LoRA, {first_few(names)}: it pulls to the frozen network, not to zero"


def lora_branches(model: nn.Module) -> Iterator[LoRABranch]:
    """Yield the LoRA branches of a model."""
    for whose, part in model.named_modules():
        weights = {
            name: stored_weight(each) for name, each in part.named_modules() if isinstance(each, WEIGHTED) and name
        }
        known = {name: each for name, each in weights.items() if each is not None}
        frozen = [name for name, each in known.items() if not each.requires_grad]
        if len(frozen) != 1 or len(known) > 3:
            continue
        base = known[frozen[0]].flatten(1)
        own = {name: each for name, each in known.items() if each.requires_grad}
        own |= {name: each for name, each in part.named_parameters(recurse=False) if each.requires_grad}
        shapes = [each.flatten(1).shape for each in own.values() if each.ndim > 1]
        if len(shapes) == 2 and is_low_rank_product(shapes[0], shapes[1], base.shape):
            prefix = f"{whose}." if whose else ""
            yield LoRABranch(prefix + frozen[0], [prefix + name for name in own])


def is_low_rank_product(one: torch.Size, other: torch.Size, whole: torch.Size) -> bool:
    """Return True if a product of two matrices, low in rank, has the shape of a third."""
    shapes = {one, other, one[::-1], other[::-1]}
    rank = next((size for size in one if size in other and size < min(whole)), 0)
    return bool(rank) and {(rank, whole[1]), (whole[0], rank)} <= {tuple(each) for each in shapes}
