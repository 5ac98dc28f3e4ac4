"""Every contender of a study overfits: what helps is not among them.

What it finds:
    A study in which each contender has a gap of more than five points between training and validation rows, both scored
    in evaluation mode, and a validation loss that has risen by more than a tenth from its lowest value. Contenders that
    keep the weights of the best epoch count as regularized.

Why it hurts:
    The network goes on learning the training rows by heart while it gets worse on new ones. In the example the
    validation loss falls to 0.43 and then rises to 0.91, and a dropout of 0.2 changes nothing about that. The
    comparison can only say which of the recipes overfits least.

Example:
    import bridle
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 20))
    y = (x[:, :4].sum(axis=1) + rng.normal(size=1000) > 0).astype(int)
    data = bridle.Data(x[:200], y[:200], x[200:], y[200:])
    protocol = bridle.Protocol(lr=0.01, epochs=60, batch_size=32)
    study = bridle.compare(data, ["Dropout(rate=0.2)"], seeds=3, network=bridle.mlp(64), protocol=protocol)

Use instead:
    import bridle
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 20))
    y = (x[:, :4].sum(axis=1) + rng.normal(size=1000) > 0).astype(int)
    data = bridle.Data(x[:200], y[:200], x[200:], y[200:])
    protocol = bridle.Protocol(lr=0.01, epochs=60, batch_size=32)
    recipes = ["Dropout(rate=0.2)", "EarlyStopping()"]
    study = bridle.compare(data, recipes, seeds=3, network=bridle.mlp(64), protocol=protocol)

References:
    Prechelt, Early Stopping - But When?, 1998, https://doi.org/10.1007/3-540-49430-8_3
    Goodfellow et al., Deep Learning, 2016, chapter 7, https://www.deeplearningbook.org/contents/regularization.html
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from bridle.results import HIGHER_IS_BETTER, Contender, Study
from bridle_audit.findings import Finding

SEVERITY = "warning"
GAP = 0.05  # of the main metric
RISE = 1.1  # times the lowest validation loss
CURE = (
    'bridle.compare(data, ["EarlyStopping()", "Dropout(rate=0.5)", "WeightDecay(strength=1.0)", "L2(strength=0.01)"])'
)


def study(study: Study) -> Iterator[Finding]:
    """No contender whose validation loss has stayed where it was best."""
    if not HIGHER_IS_BETTER.get(study.metric) or not all(map(overfits, study.contenders)):
        return
    best = max(study.contenders, key=lambda each: each.scores["valid"][study.metric].mean)
    lowest, last = validation_losses(best)
    yield Finding(
        best.name,
        f"the best of {len(study.contenders)} contenders has a gap of {best.gap:.3f} in {study.metric} between "
        f"training and validation rows, and its validation loss has risen from {lowest:.3g} to {last:.3g}; the others "
        "overfit too",
        CURE,
        {"gap": best.gap, "lowest loss": lowest, "last loss": last},
    )


def overfits(contender: Contender) -> bool:
    """Whether the gap is wide and the validation loss has risen, over all its runs, where an interrupt left any."""
    keeps_best = any(run.best_epoch is not None for run in contender.runs)
    if (
        not contender.runs
        or keeps_best
        or contender.diverged
        or not all(run.curves.get("valid_loss") for run in contender.runs)
    ):
        return False
    lowest, last = validation_losses(contender)
    return contender.gap > GAP and last > RISE * lowest


def validation_losses(contender: Contender) -> tuple[float, float]:
    """The lowest of each run and the last, both in the mean over the runs."""
    curves = [run.curves["valid_loss"] for run in contender.runs]
    return fmean(map(min, curves)), fmean(curve[-1] for curve in curves)
