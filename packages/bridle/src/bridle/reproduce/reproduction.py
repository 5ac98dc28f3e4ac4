"""The results of a reproduction of the notebook: plain data, and its JSON form."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from bridle.protocol import Protocol
from bridle.reproduce.literal import NAMES, PROGRAMS, LiteralRun, printed_epochs
from bridle.results import Summary, Versus, to_plain

__all__ = ["Reproduction", "RightRecipe", "spread"]


@dataclass(frozen=True)
class RightRecipe:
    """One recipe of the comparison done right, over its seeds."""

    name: str  # the notebook's
    recipe: str  # bridle's
    accuracy: list[float]  # percent of the validation rows, per seed
    test_accuracy: list[float]  # percent of the test rows, per seed; empty where the data have none
    dead_outputs: list[int]  # outputs that are zero for every validation row, per seed
    seconds: float  # of computing, over all seeds: this recipe's share of the stack
    versus: Versus | None  # against no regularization, paired by seed; in fractions, not percent


@dataclass(frozen=True)
class Reproduction:
    """The notebook run as it stands, and the same comparison done right."""

    epochs: int  # of the literal runs; the notebook's are 500
    runs: list[LiteralRun]
    right: list[RightRecipe]
    right_seconds: float  # wall time of the whole comparison done right, evaluation included
    network: str  # of the comparison done right, as is the protocol
    protocol: Protocol
    made: dict[str, Any]  # bridle, python, versions, machine, date
    finished: bool = True  # False where an interrupt ended it early
    printed_epochs: list[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "printed_epochs", printed_epochs(self.epochs))

    def runs_of(self, name: str) -> list[LiteralRun]:
        """Return the literal runs of one of the four networks, in the order of their seeds."""
        return [run for run in self.runs if run.name == name]

    @property
    def pass_seconds(self) -> float:
        """Training time of one pass over the notebook's four networks, mean over the seeds; nan if one is missing."""
        times = [[run.seconds for run in self.runs_of(name)] for name in NAMES]
        return sum(math.fsum(each) / len(each) for each in times) if all(times) else math.nan

    @property
    def ratio(self) -> float:
        """The time of the comparison done right, all recipes and seeds, as a share of one pass over the notebook."""
        return self.right_seconds / self.pass_seconds if self.right else math.nan

    def to_json(self) -> dict[str, object]:
        """Return plain data for ``bridle reproduce notebook --json``; numbers that are not finite become null.

        ``literal`` and ``right`` have one entry per recipe, and in it one number per seed; ``seconds`` is the sum over
        the seeds. Accuracies are in percent, as the notebook prints them.
        """
        content = {
            "literal": [self.literal_json(program.name) for program in PROGRAMS if self.runs_of(program.name)],
            "right": [right_json(each) for each in self.right],
            "epochs": self.epochs,
            "printed_epochs": self.printed_epochs,
            "network": self.network,
            "protocol": self.protocol.to_json(),
            "seconds": {"literal_one_pass": self.pass_seconds, "right": self.right_seconds},
            "ratio": self.ratio,
            "finished": self.finished,
            **self.made,
        }
        return {key: to_plain(value) for key, value in content.items()}

    def literal_json(self, name: str) -> dict[str, object]:
        """Return one entry of ``literal``."""
        runs = self.runs_of(name)
        printed = next(program.printed for program in PROGRAMS if program.name == name)
        return {
            "name": name,
            "seeds": [run.seed for run in runs],
            "accuracy": [run.accuracy for run in runs],
            "dead_outputs": [run.dead_outputs for run in runs],
            "seconds": math.fsum(run.seconds for run in runs),
            "losses": [run.losses for run in runs],
            "dead_rows": [run.dead_rows for run in runs],
            "living_accuracy": [run.living_accuracy for run in runs],
            "measured": {key: [run.measured[key] for run in runs] for key in runs[0].measured},
            "notebook": printed._asdict(),
        }


def right_json(right: RightRecipe) -> dict[str, object]:
    """Return one entry of ``right``."""
    printed = next(program.printed.accuracy for program in PROGRAMS if program.name == right.name)
    return {**vars(right), "notebook": printed}


def spread(values: list[float]) -> str:
    """Format mean and standard deviation of percentages, or the one value.

    >>> spread([86.73]), spread([98.0, 97.0])
    ('86.73', '97.50 ± 0.71')
    """
    summary = Summary.of(values)
    return f"{summary.mean:.2f}" if len(values) == 1 else f"{summary.mean:.2f} ± {summary.sd:.2f}"
