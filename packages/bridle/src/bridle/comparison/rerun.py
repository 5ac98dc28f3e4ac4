"""Going on with a study from its folder alone, and repeating one: does the same come out?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bridle import __version__
from bridle.comparison.asked import Asked, folder_of, read_asked
from bridle.comparison.collect import Watch
from bridle.comparison.hashes import hash_json
from bridle.comparison.runner import compare
from bridle.comparison.store import stored_runs
from bridle.errors import InputError
from bridle.results import Run, Study
from bridle_audit.wording import counted

__all__ = ["rerun", "resume"]


class ScoreDifference(NamedTuple):
    """The scores of one run that came out otherwise, at the place where they are farthest apart."""

    run: str  # "Dropout(rate=0.2), seed 3"
    split: str
    metric: str
    before: float
    after: float

    @property
    def size(self) -> float:
        """How far apart they are; infinite where one of them is no number."""
        size = abs(self.after - self.before)
        return math.inf if math.isnan(size) else size


class VerdictChange(NamedTuple):
    """The verdict on a contender, which is another than it was; "" where there is none."""

    contender: str
    before: str
    after: str


@dataclass(frozen=True)
class RerunReport:
    """A study that was repeated, and how the second differs from the first."""

    study: Study  # the second
    same: int  # runs that are equal bit for bit, but for the time they took
    differing: list[ScoreDifference] = field(default_factory=list)  # of the other runs, the farthest apart first
    unpaired: int = 0  # runs of the second, or of a length, that the first does not have
    verdicts: list[VerdictChange] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """Say how the two differ."""
        said = [f"{counted('run', self.same)} equal bit for bit, {len(self.differing)} not."]
        if self.differing:
            worst = self.differing[0]
            said.append(
                f"Farthest apart: {worst.run}, {worst.metric} on the {worst.split} rows, {worst.before:.6g} before and "
                f"{worst.after:.6g} now."
            )
        if self.unpaired:
            have = "has" if self.unpaired == 1 else "have"
            said.append(f"{counted('run', self.unpaired)} of the second {have} no counterpart in the first.")
        said += [
            f"{each.contender}: the verdict was {each.before!r} and is {each.after!r}." for each in self.verdicts
        ] or ["All verdicts are the same."]
        return said


def resume(folder: Path | str, progress: Watch | None = None, *, data: str | None = None) -> Study:
    """Go on with the comparison in a folder, as it was asked; ``data`` is where its data are now, if they have moved.

    Returns what ``compare`` returns. Raises ``ValueError`` where the folder does not say what was asked, where the data
    are others, and where some of it was made in Python.
    """
    asked, folder = read_asked(folder), folder_of(folder)
    asked.check_in_words(folder)
    before = asked.made.get("bridle")
    if before != __version__:
        warnings.warn(
            f"this was begun with bridle {before}, and bridle {__version__} may train otherwise: its runs are not "
            "taken, all are trained anew",
            stacklevel=2,
        )
    return compare_again(asked, folder, progress, data)


def rerun(
    folder: Path | str, out: Path | str, progress: Watch | None = None, *, data: str | None = None
) -> RerunReport:
    """Repeat the study in a folder in the fresh folder ``out``, as it was asked, and compare every run and verdict.

    Raises ``ValueError`` as :func:`resume`, and where the first study is not finished or ``out`` has runs in it.
    """
    asked, folder = read_asked(folder), folder_of(folder)
    asked.check_in_words(folder)
    first = Study.load(folder)
    if not first.finished:
        raise InputError(f"the study in {folder} was interrupted; `bridle resume {folder}` finishes it first")
    if is_other(first, asked):
        raise InputError(
            f"study.json in {folder} is of another comparison than was asked there last; `bridle resume {folder}` "
            "finishes that one first"
        )
    if has_runs_of(Path(out), folder):
        raise InputError(f"{out} has runs of the first study, and all must be trained again; give --out a new folder")
    second = compare_again(asked, Path(out), progress, data)
    return compared(first, second, runs_by_key(folder), runs_by_key(Path(out)))


def is_other(study: Study, asked: Asked) -> bool:
    """Return True for a study that is not of what was asked."""
    recipes = [each.asked or each.name for each in study.contenders]
    return (recipes, study.seeds, study.data.get("fingerprint")) != (asked.recipes, asked.seeds, asked.fingerprint)


def has_runs_of(out: Path, folder: Path) -> bool:
    """Return True where a folder has files of runs that are those of another folder, or a copy of them."""
    for path in (out / "runs").glob("*.json"):
        other = folder / "runs" / path.name
        if other.exists() and (other.samefile(path) or other.read_bytes() == path.read_bytes()):
            return True
    return False


def compare_again(asked: Asked, out: Path, progress: Watch | None, data: str | None) -> Study:
    """Compare as it was asked."""
    return compare(
        asked.load_data(data),
        asked.recipes,
        asked.seeds,
        asked.network,
        asked.protocol_again(),
        asked.engine,
        metric=asked.metric,
        tuned=asked.tuned,
        margin=asked.margin,
        references=asked.references,
        keep_models=asked.keep_models,
        out=out,
        progress=progress,
    )


def compared(first: Study, second: Study, before: Mapping[str, Run], after: Mapping[str, Run]) -> RerunReport:
    """Compare two studies, and their runs by what determines them."""
    paired = [(before[key], run) for key, run in after.items() if key in before]
    differing = [worst_difference(*pair) for pair in paired if without_times(pair[0]) != without_times(pair[1])]
    return RerunReport(
        study=second,
        same=len(paired) - len(differing),
        differing=sorted(differing, key=lambda each: -each.size),
        unpaired=len(after) - len(paired),
        verdicts=list(verdict_changes(first, second)),
    )


def verdict_changes(first: Study, second: Study) -> Iterator[VerdictChange]:
    """Yield the contenders whose verdicts differ."""
    verdicts = [
        {each.asked or each.name: each.versus_baseline.verdict if each.versus_baseline else "" for each in its}
        for its in (first.contenders, second.contenders)
    ]
    for name in {**verdicts[0], **verdicts[1]}:
        before, after = (its.get(name, "") for its in verdicts)
        if before != after:
            yield VerdictChange(name, before, after)


def runs_by_key(folder: Path) -> dict[str, Run]:
    """The runs in a folder by all that determines them but the version of bridle."""
    found = {}
    for key, run in stored_runs(folder):
        found[hash_json({name: each for name, each in key.items() if name not in ("bridle", "format")})] = run
    return found


def without_times(run: Run) -> dict[str, Any]:
    """All that a run says but how long it took."""
    return {name: each for name, each in run.to_json().items() if name != "seconds"}


def worst_difference(before: Run, after: Run) -> ScoreDifference:
    """The scores of two runs where they are farthest apart."""
    name = f"{after.recipe}, seed {after.seed}"
    found = [
        ScoreDifference(name, split, metric, before.scores.get(split, {}).get(metric, math.nan), score)
        for split, scores in after.scores.items()
        for metric, score in scores.items()
    ]
    finite = [each for each in found if not (math.isnan(each.before) and math.isnan(each.after))]
    return max(finite or found, key=lambda each: each.size)
