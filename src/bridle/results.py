"""What training leaves behind: plain data that is read without torch or NumPy, saved as it is finished.

``docs/study.md`` documents the file form, ``study.json``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = TypeVar("Kind", bound="DataclassInstance")

VERSION = 1  # of study.json; raised when a key changes its meaning or goes
SPLITS = ("train", "valid", "test")
HIGHER_IS_BETTER = {"accuracy": True, "r2": True, "rmse": False, "loss": False, "calibration_error": False}
MAIN_METRIC = {"classification": "accuracy", "regression": "r2"}


@dataclass(frozen=True)
class LayerSummary:
    """What became of one linear layer and the batch norm behind it, in one trained network."""

    name: str
    units: int
    dead_units: int  # outputs that are the same for every training row after their activation
    weight_norm: float  # Euclidean, over the whole matrix
    weights: dict[str, list[float]]  # {"edges": n + 1 numbers, "counts": n numbers}
    gammas: list[float] | None = None  # the scales of the batch norm behind the layer


@dataclass
class Run:
    """One training run: one recipe, one seed.

    ``scores[split][metric]`` are measured in evaluation mode after the last epoch. ``curves`` has one number per epoch
    under "epoch", "step_loss" (the data loss of the training batches as they were met) and, in evaluation mode,
    "train_loss", "valid_loss", and the main metric as "train_<metric>" and "valid_<metric>".
    """

    recipe: str
    seed: int
    scores: dict[str, dict[str, float]]
    curves: dict[str, list[float]] = field(repr=False)
    layers: list[LayerSummary] = field(repr=False)
    seconds: float  # of computing; within a stack, this run's share
    diverged_at: int | None = None  # the epoch in which the loss stopped being finite
    stopped_at: int | None = None  # the epoch after which early stopping ended the training
    best_epoch: int | None = None  # the epoch whose weights were kept, where the recipe looks for the best one
    model: Any = field(default=None, repr=False, compare=False)  # a torch.nn.Module (vanilla: its network); not saved

    @property
    def dead_units(self) -> int:
        """Units that are silent or constant on every training row, over all layers."""
        return sum(layer.dead_units for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Everything but the model."""
        return {f.name: plain(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "model"}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read :meth:`to_json` back."""
        layers = [known(LayerSummary, revive(layer)) for layer in data["layers"]]
        return known(cls, {**revive(data), "layers": layers})


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
    """A contender against the baseline, paired by seed, on the main metric of one split."""

    metric: str
    split: str
    difference: float  # mean of contender - baseline over the seeds
    low: float  # of the 95 % confidence interval of that mean
    high: float
    verdict: str  # "helps" | "hurts" | "no difference shown"
    words: str  # the verdict as a sentence
    smallest: float  # the smallest difference that this many seeds would have shown
    values: list[float]  # one difference per seed


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

    @property
    def diverged(self) -> int:
        """How many runs did not stay finite."""
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
    version: int = VERSION

    @property
    def baseline(self) -> Contender:
        """What the others are measured against."""
        return self.contenders[0]

    def to_json(self) -> dict[str, Any]:
        """The content of study.json; numbers that are not finite become null."""
        order = ["version", *(f.name for f in dataclasses.fields(self) if f.name != "version")]
        return {name: plain(getattr(self, name)) for name in order}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read :meth:`to_json` back; ``ValueError`` for another version of the format, ``KeyError`` without one."""
        if data["version"] != VERSION:
            raise ValueError(
                f"this study has format version {data['version']!r}, this bridle reads {VERSION}; "
                "open it with the bridle that wrote it, or run the comparison again"
            )
        return known(cls, {**data, "contenders": [contender_from_json(each) for each in data["contenders"]]})

    def save(self, path: Path | str) -> None:
        """Write study.json so that it is whole or not there."""
        write_whole(Path(path), json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a study.json, or the folder that holds it; ``ValueError`` where it is not one."""
        file = Path(path) / "study.json" if Path(path).is_dir() else Path(path)
        if not file.exists():
            raise ValueError(f"there is no study at {path}; `bridle compare --out {path}` writes one there")
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            return cls.from_json(data)
        except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError, UnicodeDecodeError) as error:
            problem = f"{type(error).__name__}: {error}"
            raise ValueError(f"{file} is not a study written by `bridle compare` ({problem})") from error


def contender_from_json(data: dict[str, Any]) -> Contender:
    """One entry of ``contenders``."""
    scores = {
        split: {metric: known(Summary, revive(summary)) for metric, summary in metrics.items()}
        for split, metrics in data["scores"].items()
    }
    versus = known(Versus, revive(data["versus_baseline"])) if data["versus_baseline"] else None
    runs = [Run.from_json(run) for run in data["runs"]]
    return known(Contender, {**revive(data), "scores": scores, "versus_baseline": versus, "runs": runs})


def known(kind: type[Kind], data: dict[str, Any]) -> Kind:
    """``kind`` from the keys that it has; others are from a later bridle that only added them."""
    names = {f.name for f in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in data.items() if name in names})


def plain(value: Any) -> Any:
    """Dataclasses as dictionaries, non-finite numbers as null."""
    if isinstance(value, Run):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


# The fields in which null is a value of its own; elsewhere it is a number that was not finite.
ABSENT = ("diverged_at", "stopped_at", "best_epoch", "gammas", "versus_baseline", "model")


def revive(data: dict[str, Any]) -> dict[str, Any]:
    """Undo :func:`plain`'s null for nan."""

    def number(value: Any) -> Any:
        if isinstance(value, dict):
            return revive(value)
        if isinstance(value, list):
            return [number(each) for each in value]
        return math.nan if value is None else value

    return {key: None if value is None and key in ABSENT else number(value) for key, value in data.items()}


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
