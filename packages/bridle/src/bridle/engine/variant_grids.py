"""The arrangement of variants in stacks that fit the memory, made of blocks that share a structure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridle.places import Average, Gradient, Loss, Stop, Weight
from bridle.protocol import Variant
from bridle.recipe import Recipe

__all__ = ["MEMORY", "VariantGrid", "group_variants", "split_into_stacks"]

# Variants of a stack, from which on a larger one is hardly faster per variant: enough for the default comparison, whose
# small blocks cost nearly the same whatever the number of their seeds.
EFFICIENT_STACK_SIZE = 40
MEMORY = 2 * 2**30  # bytes that one stack's parameters, optimizer and activations may take


@dataclass(frozen=True)
class VariantGrid:
    """Variants that share a structure: every recipe, with its learning rate, under every seed.

    Along the leading axes of a block's arrays, seeds come first and recipes second.
    """

    seeds: tuple[int, ...]
    recipes: tuple[Recipe, ...]  # one may stand twice, with another learning rate
    rates: tuple[float | None, ...] = ()  # each recipe's own peak, None for the protocol's; empty: none has one

    def __post_init__(self) -> None:
        if not self.rates:
            object.__setattr__(self, "rates", (None,) * len(self.recipes))

    @property
    def variants(self) -> list[Variant]:
        """All pairs, in the order of the arrays."""
        settings = list(zip(self.recipes, self.rates, strict=True))
        return [Variant(recipe, seed, lr) for seed in self.seeds for recipe, lr in settings]

    def recipe_index(self, variant: Variant) -> int:
        """Return the place of a variant's recipe and learning rate among those of the grid."""
        return list(zip(self.recipes, self.rates, strict=True)).index((variant.recipe, variant.lr))

    def __len__(self) -> int:
        return len(self.seeds) * len(self.recipes)


# What acts on one parameter after the other can be done for some recipes of a block and not for others.
PER_PARAMETER = (Loss, Gradient, Weight, Average, Stop)


def structure(recipe: Recipe) -> tuple[object, ...]:
    """Return the parts that must be equal for two recipes to share a program: batches, layers, passes, not numbers."""
    return tuple(
        each if each.several_networks else (type(each).__name__, tuple(each.settings(numbers=False).values()))
        for each in recipe
        if not isinstance(each, PER_PARAMETER)
    )


def group_variants(variants: Iterable[Variant]) -> list[VariantGrid]:
    """Arrange variants into as few grids as share a structure and a set of seeds."""
    seeds_of: dict[tuple[Recipe, float | None], list[int]] = {}
    for recipe, seed, lr in variants:
        seeds_of.setdefault((recipe, lr), []).append(seed)
    settings_of: dict[tuple[object, tuple[int, ...]], list[tuple[Recipe, float | None]]] = {}
    for (recipe, lr), seeds in seeds_of.items():
        settings_of.setdefault((structure(recipe), tuple(sorted(seeds))), []).append((recipe, lr))
    return [VariantGrid(seeds, *zip(*sort_by_kind(its), strict=True)) for (_, seeds), its in settings_of.items()]


def sort_by_kind(settings: list[tuple[Recipe, float | None]]) -> list[tuple[Recipe, float | None]]:
    """Sort recipes of the same kinds of regularizers side by side: each kind then acts on one contiguous piece."""
    return sorted(settings, key=lambda setting: [type(each).__name__ for each in setting[0]])


def sort_by_block(variants: list[Variant]) -> list[Variant]:
    """Sort variants of one seed so that those of one block stand side by side, else in the order given."""
    blocks = [structure(variant.recipe) for variant in variants]
    first = {block: number for number, block in reversed(list(enumerate(blocks)))}
    order = sorted(range(len(variants)), key=lambda number: first[blocks[number]])
    return [variants[number] for number in order]


def split_into_stacks(variants: Sequence[Variant], bytes_per_variant: int, memory: int = MEMORY) -> list[list[Variant]]:
    """Split variants into stacks that fit ``memory``, whole seeds together (they share batches and noise).

    A seed that has too many variants for one stack is split so that each has few blocks.

    A stack's runs end together. So that an interrupt does not lose everything, a large job is split into about six
    stacks even where memory would hold it all, but not into stacks so small that they are slow.
    """
    wanted = max(EFFICIENT_STACK_SIZE, math.ceil(len(variants) / 6))
    most = max(1, min(wanted, memory // bytes_per_variant))
    ordered = sorted(variants, key=lambda variant: variant.seed)
    parts: list[list[Variant]] = []
    for seed in dict.fromkeys(variant.seed for variant in ordered):
        same_seed = sort_by_block([variant for variant in ordered if variant.seed == seed])
        if parts and len(parts[-1]) + len(same_seed) <= most:
            parts[-1] += same_seed
        else:
            parts += [same_seed[start : start + most] for start in range(0, len(same_seed), most)]
    return parts
