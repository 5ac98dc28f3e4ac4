"""The results of training: plain data that is read without torch or NumPy, saved as it is finished.

``docs/study.md`` documents the file form, ``study.json``.
"""

# Note [what shows a result]
# Tables, charts and frames are made by bridle.report, which stands above this module and is made from it. So a result's
# own methods look their maker up when they are called, as the package does its names (Note [lazy names]), and results
# are still read where there is no pandas and no plotly. What stands under TYPE_CHECKING is for who reads the types.

from __future__ import annotations

import dataclasses
import json
import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bridle.errors import InputError
from bridle.json_decoding import decode, parse, short_repr
from bridle.metric_info import DEFAULT_METRIC, SHOWN_BESIDE, Criterion, metric_label
from bridle.study_upgrade import upgraded
from bridle_audit.atomic_files import read_whole, write_whole
from bridle_audit.wording import counted, printable

if TYPE_CHECKING:
    import pandas as pd

    from bridle.report.plotting import RunPlots, StudyPlots

__all__ = [
    "HELPS",
    "HURTS",
    "SAME",
    "SPLITS",
    "SPLIT_NAMES",
    "UNDECIDED",
    "VERSION",
    "Contender",
    "LayerSummary",
    "Reference",
    "Run",
    "RunKey",
    "Study",
    "Summary",
    "TrainingLength",
    "Trial",
    "Versus",
    "metrics_of",
    "to_plain",
]

VERSION = 2  # of study.json; raised when a key changes its meaning or goes. Older ones are read: see study_upgrade
SPLIT_NAMES = {"train": "training", "valid": "validation", "test": "test"}
SPLITS = tuple(SPLIT_NAMES)
HELPS, HURTS, SAME, UNDECIDED = "helps", "hurts", "the same", "cannot tell yet"  # the verdicts


class UnsupportedVersion(InputError):
    """A study in a version of the format that this bridle does not read."""


@dataclass(frozen=True)
class LayerSummary:
    """The summary of one linear layer and the batch norm behind it, in one trained network."""

    name: str
    units: int
    dead_units: int  # outputs that are the same for every training row after their activation
    weight_norm: float  # Euclidean, over the whole matrix
    weights: dict[str, list[float]]  # {"edges": n + 1 numbers, "counts": n numbers}
    gammas: list[float] | None = None  # the scales of the batch norm behind the layer


@dataclass(frozen=True)
class TrainingLength:
    """One length that was tried for a run whose protocol leaves the length open, and the best score on the way."""

    epochs: int
    best_epoch: int
    score: float  # of the best epoch, on the validation rows, by the metric that chooses
    last_score: float  # likewise, after the last epoch: what there would be without early stopping


@dataclass(frozen=True)
class RunKey:
    """What tells a run from all others of one setting: data, network, protocol and engine are the same for them."""

    recipe: str
    seed: int
    lr: float | None = None  # the peak learning rate, where it is this run's own

    @classmethod
    def of(cls, recipe: str, seed: int, lr: float | None) -> Self:
        """Return the key with the learning rate as a plain number: 1 and 1.0 are written alike."""
        return cls(recipe, seed, None if lr is None else float(lr))


@dataclass
class Run:
    """One training run: one recipe, one seed.

    ``scores[split][metric]`` are measured in evaluation mode with the weights that were kept: those of ``best_epoch``,
    or of the last epoch where it is None. ``curves`` has one number for each epoch after which scores were taken (every
    one, or 32 of them where the best is kept) under "epoch", "step_loss" (the data loss of that epoch's training
    batches as they were met) and, in evaluation mode, "train_loss", "valid_loss", and the metrics that are watched as
    "train_<metric>" and "valid_<metric>".
    """

    recipe: str
    seed: int
    scores: dict[str, dict[str, float]]
    curves: dict[str, list[float]] = field(repr=False)
    layers: list[LayerSummary] = field(repr=False)
    seconds: float  # of computing; within a stack, this run's share
    diverged_at: int | None = None  # the epoch in which the loss stopped being finite
    stopped_at: int | None = None  # the epoch after which early stopping ended the training
    best_epoch: int | None = None  # the epoch whose weights were kept, where the best one was looked for
    lr: float | None = None  # the peak learning rate, where it is this run's own and not the protocol's
    lengths: list[TrainingLength] = field(default_factory=list)  # those tried, where the length was open
    model: Any = field(default=None, repr=False, compare=False)  # a torch.nn.Module (vanilla: its network); not saved

    @property
    def key(self) -> RunKey:
        """What tells it from the other runs of its setting."""
        return RunKey.of(self.recipe, self.seed, self.lr)

    @property
    def dead_units(self) -> int:
        """Units that are silent or constant on every training row, over all layers."""
        return sum(layer.dead_units for layer in self.layers)

    @property
    def epochs(self) -> int:
        """How many epochs it was trained for: the last after which it was measured."""
        return int(max(filter(math.isfinite, self.curves.get("epoch", [])), default=0))

    @property
    def plot(self) -> RunPlots:
        """Its learning curves as Plotly figures: ``run.plot.curves()``."""
        plots: RunPlots = of_report("plotting", "RunPlots")(self)
        return plots

    def to_frame(self) -> pd.DataFrame:
        """Return the curves as a pandas ``DataFrame``: one row per epoch, one column per curve."""
        frame: pd.DataFrame = of_report("frames", "run_frame")(self)
        return frame

    def __repr__(self) -> str:
        valid = self.scores.get("valid", {})
        shown = [name for name in (*DEFAULT_METRIC.values(), *SHOWN_BESIDE.values()) if name in valid]
        scores = [f"{metric_label(name)} {valid[name]:.4g}" for name in shown]
        ended = (
            f"diverged in epoch {self.diverged_at}" if self.diverged_at is not None else counted("epoch", self.epochs)
        )
        measured = [f"validation {', '.join(scores)}"] if scores else []
        return f"<Run {one_line(self.recipe)}, seed {self.seed}: {'; '.join([*measured, ended])}>"

    def _repr_html_(self) -> str:
        html: str = of_report("display", "run_html")(self)
        return html

    def to_json(self) -> dict[str, Any]:
        """Everything but the model."""
        return {f.name: to_plain(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "model"}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read :meth:`to_json` back; ``ValueError`` that names what is not as it writes it."""
        run = decode(cls, data)
        check_run(run)
        return run


@dataclass(frozen=True)
class Summary:
    """One metric over the seeds; ``sd`` is the sample standard deviation (divisor n - 1; 0 for one seed)."""

    mean: float
    sd: float
    values: list[float]

    @classmethod
    def of(cls, values: list[float]) -> Self:
        """Mean and spread of ``values`` (at least one); nan where one is not finite."""
        if not all(map(math.isfinite, values)):
            return cls(math.nan, math.nan, values)
        # Halved ten times and doubled back, which is exact: the sum of losses near 1e308, on their way out, is finite.
        mean = math.fsum(value / 1024 for value in values) / len(values) * 1024
        distance = math.hypot(*(value - mean for value in values))
        return cls(mean, distance / math.sqrt(len(values) - 1) if len(values) > 1 else 0.0, values)


@dataclass(frozen=True)
class Versus:
    """A contender against the baseline, paired by seed, on one metric of one split.

    ``verdict`` and ``words`` are those of the metric that chooses on the validation rows; other pairs have none ("").
    """

    metric: str
    split: str
    difference: float  # mean of contender - baseline over the seeds
    low: float  # of the 95 % confidence interval of that mean
    high: float
    verdict: str  # HELPS, HURTS, SAME or UNDECIDED; "" where none was asked
    words: str  # the verdict as a sentence
    smallest: float  # the difference that so many seeds show in 80 % of cases
    values: list[float]  # one difference per seed
    p_value: float = math.nan  # two-sided, by Student's t (corrected where splits vary: Nadeau and Bengio)
    p_holm: float = math.nan  # the same, adjusted for all contenders together
    p_permutation: float = math.nan  # two-sided, by flipping signs
    bootstrap_low: float = math.nan  # of the 95 % BCa bootstrap interval
    bootstrap_high: float = math.nan
    margin: float | None = None  # differences up to this size are of no consequence
    p_same: float = math.nan  # of two one-sided tests against the margin
    seeds_needed: int | None = None  # seeds that would show the difference seen, or the margin, in 80 % of cases


@dataclass(frozen=True)
class Reference:
    """A method that needs no tuning, on the same splits: what every contender should be measured against."""

    name: str  # "majority class", "mean", "linear model", "gradient boosting", "without early stopping"
    description: str  # what exactly was fitted
    scores: dict[str, dict[str, Summary]]  # as a contender's, one value per split of the data
    seconds: float  # of one fit


@dataclass(frozen=True)
class Trial:
    """One setting of a contender that was tried when it was tuned, on folds of the training rows."""

    recipe: str
    lr: float
    scores: list[float]  # the metric that chooses, mean over the folds, after each rung that it reached
    epochs: int  # of the last rung that it reached


@dataclass
class Contender:
    """One recipe over all seeds."""

    recipe: list[dict[str, Any]]  # Recipe.to_json()
    name: str  # Recipe.__str__()
    scores: dict[str, dict[str, Summary]]
    gap: float  # mean generalization gap: train - valid of the main metric, both in evaluation mode
    dead_units: float  # mean over the seeds
    seconds: float  # mean over the seeds, of one run
    versus_baseline: Versus | None  # None for the baseline itself, or where fewer than two seeds are paired
    runs: list[Run]
    others: list[Versus] = field(default_factory=list)  # the same pairs on other metrics and on the test rows
    asked: str = ""  # the recipe as it was given, where its strengths were tuned
    lr: float | None = None  # the peak learning rate, where it was tuned for this contender
    trials: list[Trial] = field(default_factory=list)  # where it was tuned
    too_weak: str = ""  # why it could change nothing, as a sentence; "" where it acts

    def versus(self, metric: str, split: str) -> Versus | None:
        """Return the comparison with the baseline on a metric and split; None where there is none."""
        found = [each for each in (self.versus_baseline, *self.others) if each]
        return next((each for each in found if (each.metric, each.split) == (metric, split)), None)

    @property
    def diverged(self) -> int:
        """The number of runs that did not stay finite."""
        return sum(run.diverged_at is not None for run in self.runs)


@dataclass
class Study:
    """A comparison: contenders trained under one protocol, the first of them the baseline."""

    data: dict[str, Any]  # name, task, target, rows per split, features, outputs, class names
    network: str
    protocol: dict[str, Any]
    seeds: list[int]
    contenders: list[Contender]
    metric: str  # the main one
    engine: str  # "torch" | "vanilla"
    made: dict[str, Any]  # bridle, versions of what it runs on, machine, date, seconds
    finished: bool = True  # False where it was interrupted: some runs are missing
    notices: list[str] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    higher_is_better: bool = True  # of the main metric
    margin: float | None = None  # differences of the main metric up to this size are of no consequence
    splits: dict[str, Any] = field(default_factory=dict)  # how the rows were split: kind, seed, varies, columns
    tuning: dict[str, Any] = field(default_factory=dict)  # trials, folds, rungs, seeds; empty where nothing was tuned
    lr_chosen: bool | None = None  # by validation scores, and not given; None where an earlier bridle does not say
    version: int = VERSION

    @property
    def baseline(self) -> Contender:
        """The contender that the others are measured against."""
        return self.contenders[0]

    @property
    def best(self) -> Contender:
        """The contender with the best mean of the main metric on the validation rows."""
        criterion = Criterion(self.metric, self.higher_is_better)
        return min(self.contenders, key=lambda each: criterion.loss(each.scores["valid"][self.metric].mean))

    @property
    def plot(self) -> StudyPlots:
        """The charts of the report as Plotly figures: ``study.plot.differences()``, ``.curves("valid")`` ..."""
        plots: StudyPlots = of_report("plotting", "StudyPlots")(self)
        return plots

    def to_frame(self) -> pd.DataFrame:
        """Return the runs as a pandas ``DataFrame``: one row per run.

        Columns: recipe, seed, lr, epochs, best_epoch (missing where the last epoch's weights were kept), seconds, and
        for each split and metric the score, such as ``valid_log_loss``.
        """
        frame: pd.DataFrame = of_report("frames", "study_frame")(self)
        return frame

    def trials_frame(self) -> pd.DataFrame:
        """Return the trials of the tuning as a pandas ``DataFrame``: one row per trial; none where nothing was tuned.

        Columns: asked (the contender as it was given), recipe, lr, epochs, rungs, score (the metric that chooses, mean
        over the folds, best of the rungs that the trial reached) and chosen.
        """
        frame: pd.DataFrame = of_report("frames", "trials_frame")(self)
        return frame

    def __repr__(self) -> str:
        what = one_line(f"{self.data.get('name', 'study')}, {self.network}")
        count = f"{counted('recipe', len(self.contenders))} × {counted('seed', len(self.seeds))}"
        unfinished = "" if self.finished else ", unfinished"
        return f"<Study {what}: {count}, by validation {metric_label(self.metric)}{unfinished}>"

    def __str__(self) -> str:
        text: str = of_report("terminal", "study_text")(self)
        return text

    def _repr_html_(self) -> str:
        html: str = of_report("display", "study_html")(self)
        return html

    def to_json(self) -> dict[str, Any]:
        """The content of study.json; numbers that are not finite become null."""
        order = ["version", *(f.name for f in dataclasses.fields(self) if f.name != "version")]
        return {name: to_plain(getattr(self, name)) for name in order}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read :meth:`to_json` back; ``ValueError`` for another version of the format, and for what does not fit it."""
        if not isinstance(data, dict) or "version" not in data:
            raise InputError("it has no version")
        if data["version"] not in (1, VERSION):
            raise UnsupportedVersion(
                f"this study has format version {short_repr(data['version'])}, this bridle reads 1 to {VERSION}; "
                "open it with the bridle that wrote it, or run the comparison again"
            )
        study = decode(cls, data if data["version"] == VERSION else upgraded(data))
        check_study(study)
        return study

    def save(self, path: Path | str) -> None:
        """Write study.json so that it is whole or not there; its folder is made."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(path), json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a study.json, or the folder that holds it; ``ValueError`` where it is not one."""
        file = Path(path) / "study.json" if Path(path).is_dir() else Path(path)
        if not os.path.lexists(file):
            folder = file.parent if file.suffix == ".json" else file
            writes = f"`bridle compare --out {shlex.quote(str(folder))}` writes one there"
            raise InputError(f"there is no study at {path}; {how_to_finish(file) or writes}")
        try:
            return cls.from_json(parse(read_whole(file)))
        except UnsupportedVersion:
            raise
        except (ValueError, OSError) as error:
            problem = error.strerror if isinstance(error, OSError) else error
            then = how_to_finish(file)
            raise InputError(
                f"{file} is not a study written by `bridle compare` ({problem}){then and f'; {then}'}"
            ) from error


def how_to_finish(file: Path) -> str:
    """Return what makes a study.json that is missing or broken, where the folder says what was compared; else ""."""
    if file.name != "study.json" or not os.path.lexists(file.with_name("asked.json")):
        return ""
    return f"`bridle resume {shlex.quote(str(file.parent))}` makes it from the runs that are there"


def of_report(module: str, name: str) -> Any:
    """Look a name of ``bridle.report`` up; see Note [what shows a result]."""
    return getattr(import_module(f"bridle.report.{module}"), name)


def one_line(text: str) -> str:
    """Return a text in one line, without what a terminal would obey."""
    return " ".join(printable(text).split())


def check_study(study: Study) -> None:
    """``ValueError`` for a study whose parts do not belong together."""
    if not study.contenders:
        raise InputError("contenders: there are none")
    measured = metrics_of(study.baseline.scores)
    for split in ("train", "valid"):
        if study.metric not in measured.get(split, ()):
            raise InputError(f"contenders[0].scores.{split} has no {study.metric}")
    for number, each in enumerate(study.contenders):
        where = f"contenders[{number}]"
        if metrics_of(each.scores) != measured:
            raise InputError(f"{where}.scores are of other splits or metrics than the baseline's")
        for index, run in enumerate(each.runs):
            if metrics_of(run.scores) != measured:
                raise InputError(f"{where}.runs[{index}].scores are of other splits or metrics than the baseline's")
            check_run(run, f"{where}.runs[{index}].")


def check_run(run: Run, where: str = "") -> None:
    """``ValueError`` for a run whose parts do not belong together."""
    if len({len(points) for points in run.curves.values()}) > 1:
        raise InputError(f"{where}curves are of different lengths")
    for layer in run.layers:
        if not {"edges", "counts"} <= set(layer.weights):
            raise InputError(f"{where}layers: the histogram of {layer.name!r} needs edges and counts")
        edges, counts = layer.weights["edges"], layer.weights["counts"]
        if (edges or counts) and len(edges) != len(counts) + 1:  # both are empty where a weight was not finite
            raise InputError(f"{where}layers: the histogram of {layer.name!r} needs one edge more than counts")


def metrics_of(scores: Mapping[str, Mapping[str, object]]) -> dict[str, set[str]]:
    """Return the metrics by the split they are measured on."""
    return {split: set(metrics) for split, metrics in scores.items()}


def to_plain(value: object) -> Any:
    """Dataclasses as dictionaries, non-finite numbers as null."""
    if isinstance(value, Run):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: to_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
