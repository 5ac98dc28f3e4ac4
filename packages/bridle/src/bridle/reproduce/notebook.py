"""Run the notebook as it stands, then the same comparison done right, and time both."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from bridle.comparison import compare
from bridle.comparison.provenance import provenance
from bridle.data import Data
from bridle.errors import InputError
from bridle.networks import mlp
from bridle.protocol import Protocol
from bridle.recipe import Recipe
from bridle.regularizers import BatchNorm, Dropout, WeightDecay
from bridle.reproduce.literal import (
    BATCH_NORM,
    DROPOUT,
    EPOCHS,
    INPUTS,
    NO_REGULARIZATION,
    OUTPUTS,
    WEIGHT_DECAY,
    LiteralRun,
    NotebookData,
    dead_outputs,
    one_pass,
)
from bridle.reproduce.reproduction import Reproduction, RightRecipe
from bridle.results import Contender, Study

__all__ = ["check_counts", "notebook"]

NETWORK = mlp(128, 64)
# The learning rate of the notebook's first three networks; batches and epochs that take a few percent of its time.
PROTOCOL = Protocol(optimizer="adam", lr=0.01, schedule="cosine", batch_size=256, epochs=4)
RECIPES = {
    NO_REGULARIZATION: Recipe(),
    WEIGHT_DECAY: Recipe.of(WeightDecay(strength=0.1)),
    DROPOUT: Recipe.of(Dropout(rate=0.1)),
    BATCH_NORM: Recipe.of(BatchNorm()),
}

Count = Callable[[int, int], None]  # told how many steps are done of how many
Watch = Callable[[str, int, int], None]  # told what is being trained, and how many of its steps are done of how many


def notebook(
    data: Data,
    *,
    seeds: int = 1,
    epochs: int = EPOCHS,
    right_seeds: int = 5,
    protocol: Protocol = PROTOCOL,
    progress: Watch | None = None,
) -> Reproduction:
    """Train the notebook's four networks as it does, under seeds 0, 1, ..., then the same four recipes done right.

    ``data`` is MNIST as ``bridle.load("mnist")`` gives it, or anything with 784 inputs and 10 classes. The comparison
    done right has ``right_seeds`` seeds and follows ``protocol``. Fewer ``epochs`` than the notebook's 500 shorten the
    literal runs for a try, and the others where they would take more. ``progress(what, done, total)`` hears of the
    epochs of a literal run, and of the steps of all others together.

    An interrupt (Ctrl-C) returns what is finished, with ``finished=False``; where no run is, it goes on as
    ``KeyboardInterrupt``. Raises ``ValueError`` for data that the notebook's networks cannot take.
    """
    check_counts(seeds=seeds, epochs=epochs, right_seeds=right_seeds)
    split = split_of(data)
    protocol = replace(protocol, lr=protocol.peak_lr, epochs=min(protocol.n_epochs, epochs))
    told = progress or silent
    runs: list[LiteralRun] = []
    study = None
    try:
        for seed in range(seeds):
            for run in one_pass(split, seed, epochs, partial(tell_epochs, told, seed, epochs)):
                runs.append(run)
        study = done_right(data, right_seeds, protocol, partial(told, "Done right"))
    except KeyboardInterrupt:
        if not runs:
            raise
    return Reproduction(
        epochs=epochs,
        runs=runs,
        right=right_recipes(study, split) if study else [],
        right_seconds=study.made["seconds"] if study else 0.0,
        network=str(NETWORK),
        protocol=protocol,
        made=provenance(),
        finished=study is not None and study.finished,
    )


def done_right(data: Data, seeds: int, protocol: Protocol = PROTOCOL, watch: Count | None = None) -> Study:
    """Compare the notebook's four recipes under one protocol, over seeds 0, 1, ..., by its own metric, accuracy."""
    recipes = list(RECIPES.values())
    return compare(data, recipes, seeds, NETWORK, protocol, metric="accuracy", references=False, progress=watch)


def check_counts(**counts: object) -> None:
    """Raise ``ValueError`` for the first that is no whole number of at least 1."""
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"reproduce: {name} must be a whole number of at least 1, got {value!r}")


def split_of(data: Data) -> NotebookData:
    """Return the rows as the notebook has them; ``ValueError`` for data of another kind."""
    if data.task != "classification" or data.n_inputs != INPUTS or data.n_outputs != OUTPUTS:
        raise InputError(
            f"the notebook's networks take {INPUTS} inputs and tell {OUTPUTS} classes apart, but these data are a "
            f"{data.task} with {data.n_inputs} inputs and {data.n_outputs} outputs; give MNIST, or a set of its layout"
        )
    return NotebookData(
        torch.tensor(data.x_train, dtype=torch.float32).flatten(1),
        torch.tensor(data.y_train, dtype=torch.int64),
        torch.tensor(data.x_valid, dtype=torch.float32).flatten(1),
        torch.tensor(data.y_valid, dtype=torch.int64),
    )


def silent(what: str, done: int, total: int) -> None:
    """Ignore the progress."""
    del what, done, total


def tell_epochs(told: Watch, seed: int, epochs: int, name: str, done: int) -> None:
    """Pass the progress of a literal run on, under its name and seed."""
    told(f"{name}, seed {seed}", done, epochs)


def right_recipes(study: Study, split: NotebookData) -> list[RightRecipe]:
    """Return the contenders under the notebook's names; those without any run are left out."""
    names = {str(recipe): name for name, recipe in RECIPES.items()}
    return [right_recipe(names[each.name], each, split) for each in study.contenders if each.runs]


def right_recipe(name: str, contender: Contender, split: NotebookData) -> RightRecipe:
    """Return one contender, with its dead outputs counted like the notebook's."""
    runs = contender.runs
    return RightRecipe(
        name=name,
        recipe=contender.name,
        accuracy=[100 * run.scores["valid"]["accuracy"] for run in runs],
        test_accuracy=[100 * run.scores["test"]["accuracy"] for run in runs if "test" in run.scores],
        dead_outputs=[int(dead_outputs(run.model, split.x_valid).sum()) for run in runs],
        seconds=math.fsum(run.seconds for run in runs),
        versus=contender.versus_baseline,
    )
