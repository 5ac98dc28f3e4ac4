"""Metrics of a trained network: scores of its raw outputs, dead units by its activations, histograms of its weights.

Both engines measure here, so their tables can be compared. Everything is NumPy on plain arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bridle.errors import InputError
from bridle.metric_info import DEFAULT_METRIC, METRICS, TASK_METRICS, MetricInfo, curve_metric
from bridle_audit.wording import nearest

__all__ = ["Metric", "curve_scores", "dead_units", "measured_metrics", "resolve_metric", "scores", "weight_histogram"]

CALIBRATION_BINS = 15
HISTOGRAM_BINS = 40
AT_ONCE = 2**18  # numbers of the networks that are measured together: more of them leave the processor's cache
LOSS = "loss"  # of the training, which curves show: cross-entropy, or the squared error on the standardized target
TAKEN = {*METRICS, LOSS, "step_loss"}


@dataclass(frozen=True)
class Metric:
    """A metric of the user's own: ``function(y_true, prediction)`` returns one number.

    Classification: class ids (rows,) and probabilities (rows, classes). Regression: targets and predictions (rows,),
    both in the target's own units. Raises ``ValueError`` for a name that one of bridle's metrics has.

    >>> Metric("top_2_accuracy", lambda y, p: (p.argsort(1)[:, -2:] == y[:, None]).any(1).mean()).name
    'top_2_accuracy'
    """

    name: str
    function: Callable[[np.ndarray, np.ndarray], float]
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise InputError(
                f"a metric of your own needs a name such as top_2_accuracy, got {self.name!r}; "
                "give Metric(name, function)"
            )
        if self.name in TAKEN:
            raise InputError(
                f"{self.name} is what bridle calls a metric of its own; give yours another name: "
                f'Metric("my_{self.name}", function)'
            )
        if not callable(self.function):
            raise InputError(f"the metric {self.name} needs a function of (y_true, prediction), got {self.function!r}")
        if not isinstance(self.higher_is_better, bool):
            raise InputError(f"the metric {self.name}: higher_is_better must be True or False")

    @classmethod
    def of(cls, metric: Metric | Callable[[np.ndarray, np.ndarray], float]) -> Metric:
        """Return the metric, or a function as one under its own name; ``ValueError`` for anything else."""
        if isinstance(metric, cls):
            return metric
        if not callable(metric):
            raise InputError(f"a metric must be a name, a Metric or a function of (y_true, prediction), got {metric!r}")
        return cls(getattr(metric, "__name__", ""), metric)

    def measure(self, y: np.ndarray, prediction: np.ndarray) -> float:
        """Return the score of these rows; ``ValueError`` where the function fails or returns something else."""
        try:
            score: object = self.function(read_only(y), read_only(prediction))
            if isinstance(score, str):  # which float would read
                raise TypeError(f"got the text {score!r}")
            return float(score)  # type: ignore[arg-type]  # what it returns is what is tried
        except Exception as error:  # whatever the user's code may raise
            raise InputError(
                f"the metric {self.name} must return one number for targets of shape {y.shape} and predictions of "
                f"shape {prediction.shape}, and failed: {type(error).__name__}: {error}"
            ) from error


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view that a user's function cannot write to."""
    view = array.view()
    view.flags.writeable = False
    return view


def resolve_metric(
    metric: str | Metric | Callable[[np.ndarray, np.ndarray], float] | None, task: str
) -> MetricInfo | Metric:
    """Return the metric meant: by its name, a user's own, a function under its name, or None for the task's default.

    >>> resolve_metric(None, "classification").name, resolve_metric("R²", "regression").name
    ('log_loss', 'r2')
    """
    if metric is None:
        return METRICS[DEFAULT_METRIC[task]]
    return known_metric(metric, task) if isinstance(metric, str) else Metric.of(metric)


def known_metric(name: str, task: str) -> MetricInfo:
    """Return the metric of the task that a name means; ``ValueError`` for any other."""
    known = name.strip().lower().replace("-", "_").replace("²", "2")
    choices = list(TASK_METRICS[task])
    if known not in METRICS:
        raise InputError(f"there is no metric {name!r} for a {task}{nearest(known, choices)}")
    if METRICS[known].task != task:
        raise InputError(
            f"the metric {name!r} is for a {METRICS[known].task}, and this is a {task}; "
            f"choose one of {', '.join(choices)}"
        )
    return METRICS[known]


def measured_metrics(task: str, own: Metric | None = None) -> tuple[str, ...]:
    """Return the names of all metrics that are measured on every split."""
    return (*TASK_METRICS[task], *([own.name] if own else []))


def scores(
    z: np.ndarray,
    y: np.ndarray,
    *,
    task: str,
    target_scale: tuple[float, float] = (0.0, 1.0),
    names: Sequence[str] | None = None,
    own: Metric | None = None,
) -> dict[str, np.ndarray]:
    """Raw outputs (..., rows, outputs) and targets (rows,) -> for each metric, (...) with one score per network.

    ``names`` are those to measure, by default every metric of the task and the user's own; "loss" may be among them:
    what is minimized, log-loss or the mean squared error on the standardized target.

    Classification: ``z`` are logits and ``y`` class ids. Regression: ``z`` (..., rows, 1) are predictions of the
    standardized target, ``y`` is in its own units, and ``target_scale`` is the mean and the standard deviation that
    stand between them.

    A network whose outputs are not all finite has nan for every score; its neighbours keep theirs.
    """
    asked = measured_metrics(task, own) if names is None else tuple(names)
    networks = z.reshape(math.prod(z.shape[:-2]), *z.shape[-2:])
    together = max(1, AT_ONCE // max(1, math.prod(z.shape[-2:])))
    parts = [networks[start : start + together] for start in range(0, len(networks), together)]
    found = [chunk_scores(part, y, task, target_scale, asked, own) for part in parts]
    return {
        name: np.concatenate([np.empty(0), *(each[name] for each in found)]).reshape(z.shape[:-2]) for name in asked
    }


def curve_scores(
    z: np.ndarray, y: np.ndarray, *, task: str, target_scale: tuple[float, float], chosen: MetricInfo | Metric
) -> dict[str, np.ndarray]:
    """Measure what learning curves show, as :func:`scores` does: "loss", and the metric that goes with it."""
    own = chosen if isinstance(chosen, Metric) else None
    return scores(z, y, task=task, target_scale=target_scale, names=(LOSS, curve_metric(chosen.name)), own=own)


def chunk_scores(  # noqa: PLR0917
    z: np.ndarray,
    y: np.ndarray,
    task: str,
    target_scale: tuple[float, float],
    names: Sequence[str],
    own: Metric | None,
) -> dict[str, np.ndarray]:
    """(networks, rows, outputs) and (rows,) -> for each metric (networks,)."""
    finite = np.isfinite(z).all((1, 2))
    whole = z if finite.all() else np.where(finite[:, None, None], z, 0)
    found = {}
    with np.errstate(over="ignore"):  # a diverging network's finite outputs may have an infinite error
        outputs = Classification(whole, y) if task == "classification" else Regression(whole, y, target_scale)
        for name in names:
            if own and name == own.name:
                rows = zip(finite, outputs.predictions, strict=True)
                measured = np.array([own.measure(y, each) if fit else math.nan for fit, each in rows])
            else:
                measured = outputs.measure(name)
            found[name] = np.where(finite, measured, math.nan)
    return found


class Classification:
    """The outputs of some networks for the same rows, with what several metrics need made once.

    Classes are few: reducing over the leading axis is several times faster, so it comes first, (classes, networks,
    rows).
    """

    def __init__(self, z: np.ndarray, y: np.ndarray) -> None:
        self.y = y
        self.by_class = np.moveaxis(z, -1, 0).astype(np.float64, order="C")

    def measure(self, name: str) -> np.ndarray:
        """Return a metric by its name, (networks,)."""
        return CLASSIFICATION[name](self)

    @cached_property
    def top(self) -> np.ndarray:
        """The greatest logit of each row, (networks, rows)."""
        greatest: np.ndarray = self.by_class.max(0)
        return greatest

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each row's first greatest logit is that of its class, (networks, rows)."""
        matched: np.ndarray = self.by_class.argmax(0) == self.y
        return matched

    @cached_property
    def exponentials(self) -> np.ndarray:
        """exp(logit - greatest), (classes, networks, rows)."""
        powers: np.ndarray = np.exp(self.by_class - self.top)
        return powers

    @cached_property
    def total(self) -> np.ndarray:
        """Their sum over the classes, (networks, rows)."""
        summed: np.ndarray = self.exponentials.sum(0)
        return summed

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(classes, networks, rows)."""
        shares: np.ndarray = self.exponentials / self.total
        return shares

    @property
    def predictions(self) -> np.ndarray:
        """The probabilities as users know them, (networks, rows, classes)."""
        return np.ascontiguousarray(np.moveaxis(self.probabilities, 0, -1))


def of_own_class(by_class: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(classes, networks, rows) -> of each row the number of its own class, (networks, rows)."""
    found: np.ndarray = np.take_along_axis(by_class, y[None, None], 0)[0]
    return found


def log_loss(outputs: Classification) -> np.ndarray:
    """Return the mean cross-entropy in nats."""
    own = of_own_class(outputs.by_class, outputs.y)
    loss: np.ndarray = (np.log(outputs.total) + (outputs.top - own)).mean(-1)
    return loss


def accuracy(outputs: Classification) -> np.ndarray:
    """Return the share of rows whose class has the greatest logit."""
    share: np.ndarray = outputs.right.mean(-1)
    return share


def balanced_accuracy(outputs: Classification) -> np.ndarray:
    """Return the mean over the classes that the rows have of the share of their rows that are right."""
    counts = np.bincount(outputs.y)
    weights = 1 / (counts[outputs.y] * np.count_nonzero(counts))
    mean: np.ndarray = (outputs.right * weights).sum(-1)
    return mean


def auroc(outputs: Classification) -> np.ndarray:
    """Return the area under the ROC curve: the chance that a row of a class is given more of it than another row.

    Equal probabilities count half. Two classes: of the second. More: the mean over the classes, each against the
    rest, that have rows of both kinds; nan where there is none.
    """
    probabilities = outputs.probabilities
    classes = [1] if len(probabilities) == 2 else range(len(probabilities))
    areas = [
        area_under_roc(probabilities[each], own)
        for each in classes
        if (own := outputs.y == each).any() and not own.all()
    ]
    mean: np.ndarray = np.stack(areas, axis=-1).mean(-1) if areas else np.full(len(outputs.right), math.nan)
    return mean


def area_under_roc(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """(networks, rows) and which rows are positive (rows,) -> the area, (networks,).

    >>> area_under_roc(np.array([[0.1, 0.4, 0.35, 0.8]]), np.array([False, False, True, True]))
    array([0.75])
    """
    above, others = np.sort(scores[:, positive]), np.sort(scores[:, ~positive])
    # Mann and Whitney's count: what is sorted is found quickly, and equal numbers lie between left and right.
    counts = [
        (np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")).sum()
        for low, high in zip(others, above, strict=True)
    ]
    area: np.ndarray = np.array(counts) / (2 * above.shape[1] * others.shape[1])
    return area


def brier(outputs: Classification) -> np.ndarray:
    """Return the mean squared distance of probabilities and truth, summed over the classes; of two classes half of it.

    Brier, Verification of forecasts expressed in terms of probability, 1950; for two classes the usual form, that of
    the second class alone, as in scikit-learn.
    """
    off = outputs.probabilities.copy()
    np.put_along_axis(off, outputs.y[None, None], of_own_class(off, outputs.y)[None] - 1, 0)
    squared: np.ndarray = np.einsum("cnr,cnr->nr", off, off).mean(-1)
    return squared / 2 if len(off) == 2 else squared


def expected_calibration_error(outputs: Classification) -> np.ndarray:
    """See :func:`calibration_error`."""
    return np.array(list(map(calibration_error, 1 / outputs.total, outputs.right)))


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error: the mean distance of confidence and accuracy over the rows.

    ``confidence`` (rows,) is the probability given to the predicted class, ``right`` (rows,) whether it was the true
    one. Rows are grouped into 15 bins of equal width, (0, 1/15], ..., (14/15, 1]; a bin counts with its rows. Guo et
    al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599, equation 3.

    >>> calibration_error(np.array([0.9, 0.9, 0.9, 0.9]), np.array([True, True, True, False]))  # 0.90 said, 0.75 true
    0.15...
    """
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    return float(np.abs(np.bincount(bins, weights=right - confidence)).sum() / len(right))


CLASSIFICATION: dict[str, Callable[[Classification], np.ndarray]] = {
    LOSS: log_loss,
    "log_loss": log_loss,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "auroc": auroc,
    "brier": brier,
    "ece": expected_calibration_error,
}


class Regression:
    """The predictions of some networks for the same rows, standardized: squares of the target could overflow."""

    def __init__(self, z: np.ndarray, y: np.ndarray, target_scale: tuple[float, float]) -> None:
        self.mean, self.spread = target_scale
        self.standardized = (y.astype(np.float64) - self.mean) / self.spread
        self.z = z[..., 0].astype(np.float64)
        self.errors = self.z - self.standardized

    def measure(self, name: str) -> np.ndarray:
        """Return a metric by its name, (networks,)."""
        return REGRESSION[name](self)

    @cached_property
    def squared_error(self) -> np.ndarray:
        """The mean squared error on the standardized target, (networks,)."""
        mean: np.ndarray = np.square(self.errors).mean(-1)
        return mean

    @property
    def predictions(self) -> np.ndarray:
        """The predictions in the target's own units, (networks, rows)."""
        return self.z * self.spread + self.mean


def squared_error(outputs: Regression) -> np.ndarray:
    """Return the mean squared error on the standardized target."""
    return outputs.squared_error


def r2(outputs: Regression) -> np.ndarray:
    """Return R²; where all targets are equal, 1 for a perfect prediction and else 0, as in scikit-learn."""
    variance = float(np.var(outputs.standardized))
    loss = outputs.squared_error
    return 1 - loss / variance if variance > 0 else (loss == 0).astype(np.float64)


def rmse(outputs: Regression) -> np.ndarray:
    """Return the root of the mean squared error in the target's own units."""
    root: np.ndarray = np.sqrt(outputs.squared_error) * outputs.spread
    return root


def mae(outputs: Regression) -> np.ndarray:
    """Return the mean absolute error in the target's own units."""
    mean: np.ndarray = np.abs(outputs.errors).mean(-1) * outputs.spread
    return mean


REGRESSION: dict[str, Callable[[Regression], np.ndarray]] = {LOSS: squared_error, "r2": r2, "rmse": rmse, "mae": mae}


def dead_units(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Least and greatest output of each unit over all rows (..., units) -> whether it is the same on every row.

    Such a unit tells the next layer nothing: a ReLU that is never on, a sigmoid that is always saturated.

    >>> dead_units(np.array([0.0, 0.0, 1.0]), np.array([0.0, 2.5, 1.0])).tolist()
    [True, False, True]
    """
    dead: np.ndarray = low == high
    return dead


def weight_histogram(w: np.ndarray) -> dict[str, list[float]]:
    """Any shape -> the 41 edges of 40 bins of equal width, symmetric around 0, and the 40 counts of the finite weights.

    >>> histogram = weight_histogram(np.array([-2.0, 0.1, 1.9]))
    >>> histogram["edges"][0], histogram["edges"][-1], sum(histogram["counts"])
    (-2.0, 2.0, 3)
    """
    finite = w[np.isfinite(w)].astype(np.float64)
    limit = np.abs(finite).max(initial=0.0) or 1.0
    counts, edges = np.histogram(finite / limit, bins=HISTOGRAM_BINS, range=(-1.0, 1.0))
    return {"edges": (edges * limit).tolist(), "counts": counts.tolist()}
