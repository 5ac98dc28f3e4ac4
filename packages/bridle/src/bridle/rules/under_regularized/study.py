"""No contender whose validation loss has stayed where it was best."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from bridle.metric_info import FIT_METRIC, metric_label
from bridle.results import Contender, Study
from bridle_audit.findings import Finding

GAP = 0.05  # of accuracy or R²
RISE = 1.1  # times the lowest validation loss
CURE = (
    'bridle.compare(data, ["EarlyStopping()", "Dropout(rate=0.5)", "WeightDecay(strength=1.0)", "L2(strength=0.01)"])'
)


def check(study: Study) -> Iterator[Finding]:
    """Yield a finding if every contender overfits: its validation loss ends well above its minimum."""
    fit = FIT_METRIC[study.data["task"]]
    if not all(overfits(each, fit) for each in study.contenders):
        return
    best = study.best
    lowest, last = validation_losses(best)
    yield Finding(
        best.name,
        f"the best of {len(study.contenders)} contenders has a gap of {gap(best, fit):.3f} in {metric_label(fit)} "
        f"between training and validation rows, and its validation loss has risen from {lowest:.3g} to {last:.3g}; the "
        "others overfit too",
        CURE,
        {"gap": gap(best, fit), "lowest loss": lowest, "last loss": last},
    )


def gap(contender: Contender, metric: str) -> float:
    """Return by how much a contender scores better on the rows that it was trained on."""
    return contender.scores["train"][metric].mean - contender.scores["valid"][metric].mean


def overfits(contender: Contender, fit: str) -> bool:
    """Return True if the gap is wide and the mean validation loss of the runs ends well above its minimum."""
    keeps_best = any(run.best_epoch is not None for run in contender.runs)
    if (
        not contender.runs
        or keeps_best
        or contender.diverged
        or not all(run.curves.get("valid_loss") for run in contender.runs)
    ):
        return False
    lowest, last = validation_losses(contender)
    return gap(contender, fit) > GAP and last > RISE * lowest


def validation_losses(contender: Contender) -> tuple[float, float]:
    """Return the lowest and the last validation loss, each averaged over the runs."""
    curves = [run.curves["valid_loss"] for run in contender.runs]
    return fmean(map(min, curves)), fmean(curve[-1] for curve in curves)
