"""What a tracker is told of a run: hyper-parameters, curves and scores, under the same names in every tracker."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

from bridle.results import SPLITS, Contender, Run, Study

__all__ = ["Record", "records", "score_tags"]

Value = bool | int | float | str


@dataclass(frozen=True)
class Scalar:
    """One number of a run: of a curve at an epoch, or a score at the epoch whose weights it was measured with."""

    tag: str  # "loss/valid" of a curve, "score/valid_log_loss" of a score
    value: float
    epoch: int


@dataclass(frozen=True)
class Record:
    """One run as a tracker takes it."""

    contender: Contender
    number: int  # of the contender, 0 for the baseline
    run: Run
    hyper_parameters: dict[str, Value]
    scalars: list[Scalar]


def records(study: Study) -> Iterator[Record]:
    """Yield a record of each run, contender by contender."""
    for number, contender in enumerate(study.contenders):
        for run in contender.runs:
            told = hyper_parameters(study, contender, run)
            yield Record(contender, number, run, told, [*curve_points(run), *scores(run)])


def hyper_parameters(study: Study, contender: Contender, run: Run) -> dict[str, Value]:
    """Return network, recipe and each of its knobs, and what of the protocol was set; the same for all seeds."""
    rate = next((each for each in (run.lr, contender.lr) if each is not None), study.protocol.get("lr"))
    protocol = {**study.protocol, "lr": rate}
    told = {"recipe": contender.name, "network": study.network, "engine": study.engine, **protocol, **knobs(contender)}
    return {name: plain(value) for name, value in told.items() if value is not None}


def knobs(contender: Contender) -> dict[str, object]:
    """Return the knobs of a recipe as ``Dropout.rate``; of a regularizer that is there again as ``Dropout-2.rate``."""
    names = [str(each["name"]) for each in contender.recipe]
    found: dict[str, object] = {}
    for place, each in enumerate(contender.recipe):
        turn = names[: place + 1].count(names[place])
        owner = names[place] if turn == 1 else f"{names[place]}-{turn}"
        found |= {f"{owner}.{knob}": value for knob, value in each.items() if knob != "name"}
    return found


def plain(value: object) -> Value:
    """Return numbers, words and truth as they are; schedules, lists and what a user put there as JSON."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value, ensure_ascii=False, default=str)


def curve_points(run: Run) -> Iterator[Scalar]:
    """Yield the curves, ``valid_loss`` under the tag ``loss/valid``, so that trackers draw the splits side by side."""
    epochs = [int(epoch) for epoch in run.curves.get("epoch", [])]
    for name, values in run.curves.items():
        split, _, metric = name.partition("_")
        if metric:
            yield from (Scalar(f"{metric}/{split}", *point) for point in zip(values, epochs, strict=True))


def scores(run: Run) -> Iterator[Scalar]:
    """Yield the scores; those of a run that diverged are none."""
    epoch = run.epochs if run.best_epoch is None else run.best_epoch
    for tag, split, metric in tags_of({split: list(its) for split, its in run.scores.items()}):
        if not math.isnan(run.scores[split][metric]):
            yield Scalar(tag, run.scores[split][metric], epoch)


def score_tags(study: Study) -> list[str]:
    """Return the tags of all scores of a study."""
    return [tag for tag, _, _ in tags_of({split: list(its) for split, its in study.baseline.scores.items()})]


def tags_of(metrics: dict[str, list[str]]) -> list[tuple[str, str, str]]:
    """Return tag, split and metric of every score."""
    return [
        (f"score/{split}_{metric}", split, metric) for split in SPLITS if split in metrics for metric in metrics[split]
    ]
