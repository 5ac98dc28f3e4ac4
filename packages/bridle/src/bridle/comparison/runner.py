"""Train every contender under one protocol and the same seeds, and say who differs from the baseline."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from torch import nn

from bridle import engine as stacked
from bridle import memory_estimate, vanilla
from bridle.comparison.collect import Watch, collect
from bridle.comparison.provenance import provenance
from bridle.comparison.store import NOWHERE, RunStore
from bridle.comparison.verdicts import contenders, notices
from bridle.data import Data, loaded
from bridle.engine.user_modules import build_module
from bridle.errors import InputError
from bridle.metrics import METRICS
from bridle.networks import MLP, DescribedNetwork, Network, mlp, parse_network
from bridle.protocol import Progress, Protocol, Variant, chosen_seeds
from bridle.recipe import Recipe, Regularizer
from bridle.results import MAIN_METRIC, Run, Study

__all__ = ["DEFAULT_NETWORK", "DEFAULT_RECIPES", "compare", "resolve_contenders"]

# What is compared unless the user says otherwise: nothing, each method at a moderate strength, and one combination.
# A strength that suits the data at hand is found by comparing several.
DEFAULT_RECIPES = (
    "none",
    "L2(strength=0.0001)",
    "WeightDecay(strength=0.1)",
    "Dropout(rate=0.2)",
    "BatchNorm()",
    "BatchNorm() + Dropout(rate=0.1)",
)
DEFAULT_NETWORK = mlp(128, 64)
DESCRIBED = (MLP, DescribedNetwork)  # networks that say all about themselves when printed
ENGINES = {"torch": stacked.train_variants, "vanilla": vanilla.train_variants}
# The protocol with the precision that is really used.
RESOLVE_PRECISION = {
    "torch": stacked.resolve_precision,
    "vanilla": vanilla.resolve_precision,
}


def compare(  # noqa: PLR0917  (the order is part of the public surface)
    data: Data | str | Path,
    recipes: Sequence[Recipe | Regularizer | str | None] | None = None,
    seeds: int | Sequence[int] = 5,
    network: Network | str = DEFAULT_NETWORK,
    protocol: Protocol | None = None,
    engine: str = "torch",
    *,
    out: Path | str | None = None,
    progress: Watch | None = None,
) -> Study:
    """Train each recipe under each seed, and set it against the baseline, "none".

    ``data`` is a ``Data`` or what ``load`` takes; ``network`` is a description, also as text, or a factory. ``recipes``
    default to ``DEFAULT_RECIPES``; "none" is put in front. ``seeds`` says how many (0, 1, ...) or which. ``engine`` is
    "torch" or "vanilla". ``progress(done, total)`` hears of the steps of single runs; those of runs that were read
    count as done.

    With ``out`` every run is saved there as it is finished, and a later call with the same ``out`` reads the runs that
    it finds and trains only the others. A run is found again by its data, network, protocol, engine, recipe, seed and
    the version of bridle. A network of your own goes by the module and the qualified name of its factory and by its
    layers as printed: what these do not show, such as another ``forward``, needs another ``out``. Runs that were read
    have no model. A file that is not what was written there is set aside, with a warning, and its run trained again.

    Unfinished runs of the torch engine are saved there too, at the end of an epoch, every twenty seconds or so. After
    an interrupt or a crash a later call goes on from there, and the study is bit for bit that of an undisturbed one
    (but for what a module of your own keeps in plain attributes, or draws from generators of its own). ``made`` says
    how long it took, all sessions together.

    An interrupt (Ctrl-C) returns the study of the finished runs, with ``finished=False``; where there is none it goes
    on as ``KeyboardInterrupt``, which says what is kept. Raises ``ValueError`` for what cannot be compared.
    """
    started = perf_counter()
    contending, asked = resolve_contenders(recipes, seeds, engine)
    check(out, progress)
    protocol, network = Protocol.of(protocol), parse_network(network)
    data = loaded(data)  # which may take long, so that what is wrong otherwise is said before
    protocol = RESOLVE_PRECISION[engine](protocol.for_rows(len(data.x_train)))
    memory_estimate.check_training(network, data, protocol, len(asked) * len(contending))
    chosen = list(asked)

    measured = dict.fromkeys(data.splits(), METRICS[data.task])
    store = RunStore.at(out, setting(data, network, protocol, engine), measured) if out else NOWHERE
    variants = [Variant(recipe, seed) for seed in chosen for recipe in contending]
    session = store.session(started)
    stacks = store.stacks(variants, session.note) if engine == "torch" else None

    def train(variants: Sequence[Variant], count: Progress) -> Iterator[Run]:
        store = {"checkpoints": stacks} if stacks else {}
        return ENGINES[engine](data, variants, network, protocol, progress=count, **store)

    steps = steps_per_run(data, protocol)
    runs = collect(variants, train, store, steps_per_run=steps, watch=progress, session=session, stacks=stacks)
    by_recipe = {each: [runs[v] for v in variants if v.recipe == each and v in runs] for each in contending}
    judged = contenders(by_recipe, MAIN_METRIC[data.task])
    missing = len(variants) - len(runs)
    return Study(
        data=data.describe(),
        network=network_name(network),
        protocol=protocol.to_json(),
        seeds=chosen,
        contenders=judged,
        metric=MAIN_METRIC[data.task],
        engine=engine,
        made={**provenance(), "seconds": session.end()},
        finished=not missing,
        notices=[*notices(judged, contending, chosen, missing), *data.notes],
    )


def resolve_contenders(
    recipes: Sequence[Recipe | Regularizer | str | None] | None, seeds: int | Sequence[int], engine: str
) -> tuple[list[Recipe], Sequence[int]]:
    """The recipes to compare, "none" first, and the seeds; ``ValueError`` for what is none, or an unknown engine."""
    if engine not in tuple(ENGINES):  # of a tuple one may ask with anything, a list too
        raise InputError(f"compare: engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    return recipes_with_baseline(recipes), chosen_seeds(seeds)


def check(out: object, progress: object) -> None:
    """Raise ``ValueError`` for a folder or a function that is none."""
    if not isinstance(out, str | os.PathLike | None):
        raise InputError(f"compare: out must be the path of a folder for the results, or None, got {out!r}")
    if progress is not None and not callable(progress):
        raise InputError(f"compare: progress must be a function of (steps done, steps in all), got {progress!r}")


def recipes_with_baseline(recipes: Sequence[Recipe | Regularizer | str | None] | None) -> list[Recipe]:
    """The recipes to compare, "none" first; ``ValueError`` where one is asked for twice."""
    if isinstance(recipes, str | Recipe | Regularizer):
        raise InputError(f"compare: recipes must be a list of recipes, got {recipes!r}; write [{recipes!r}]")
    if recipes is not None and (isinstance(recipes, Mapping) or not isinstance(recipes, Iterable)):
        raise InputError(f"compare: recipes must be a list of recipes, got {type(recipes).__name__}")
    asked = [Recipe.of(recipe) for recipe in (DEFAULT_RECIPES if recipes is None else recipes)]
    for recipe in asked:
        if asked.count(recipe) > 1:
            raise InputError(f"compare: the recipe {str(recipe)!r} is asked for twice; give each recipe once")
    return [Recipe(), *(recipe for recipe in asked if recipe != Recipe())]


def steps_per_run(data: Data, protocol: Protocol) -> int:
    """Return the number of optimizer steps of one run: whole batches only."""
    rows = len(data.x_train)
    return protocol.n_epochs * (rows // min(protocol.batch_size, rows))


def setting(data: Data, network: Network, protocol: Protocol, engine: str) -> dict[str, Any]:
    """Everything that determines a run but its recipe and its seed."""
    return {
        "data": data.fingerprint,
        "network": str(network)
        if isinstance(network, DESCRIBED)
        else f"{network_name(network)} {printed_layers(network)}",
        "protocol": protocol.to_json(),
        "engine": engine,
    }


def network_name(network: Network) -> str:
    """``mlp(128, 64)``, or ``module:qualified_name`` of a factory."""
    if isinstance(network, DESCRIBED):
        return str(network)
    return f"{network.__module__}:{getattr(network, '__qualname__', type(network).__qualname__)}"


def printed_layers(factory: Callable[[], nn.Module]) -> str:
    """Return the factory's module as printed, without moving torch's global random numbers."""
    return str(build_module(factory, 0))
