"""The scores of the validation rows as code: the one that is printed, and the one that chooses epochs and lengths."""

from __future__ import annotations

from bridle.errors import InputError
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import indented
from bridle.metric_info import DEFAULT_METRIC, METRICS, TASK_METRICS, MetricInfo, curve_metric

__all__ = ["ScoreCode", "check_metric", "label"]

# Each as a variable of its name, from the outputs z of the validation rows and their loss.
LINES = {
    "accuracy": ["accuracy = (z.argmax(1) == y_valid).double().mean()"],
    "balanced_accuracy": [
        "right = (z.argmax(1) == y_valid).double()",
        "by_class = [right[y_valid == each].mean() for each in y_valid.unique()]",
        "balanced_accuracy = torch.stack(by_class).mean()",
    ],
    "auroc": ["auroc = area_under_roc(z, y_valid)"],
    "brier": [
        "squares = (z.softmax(1) - F.one_hot(y_valid, outputs)).square().sum(1)",
        "brier = squares.mean() / (2 if outputs == 2 else 1)",
    ],
    "ece": ["ece = calibration_error(z, y_valid)"],
    "r2": ["r2 = 1 - valid_loss / y_valid.var(correction=0)"],
    "rmse": ["rmse = valid_loss.sqrt() * deviation"],
    "mae": ["mae = (z - y_valid).abs().mean() * deviation"],
}
FUNCTIONS = {
    "auroc": (
        "area_under_roc",
        [
            "def area_under_roc(z: Tensor, y: Tensor) -> Tensor:",
            *indented(
                [
                    '"""How often a row of a class is given more of it than another row, mean over the classes."""',
                    "areas = []",
                    "for each in y.unique():",
                    *indented(
                        [
                            "given = z.softmax(1)[:, each].contiguous()",
                            "own, others = given[y == each], given[y != each].sort().values",
                            "below = torch.searchsorted(others, own) + torch.searchsorted(others, own, right=True)",
                            "areas.append(below.double().mean() / (2 * len(others)))  # equal ones count half",
                        ]
                    ),
                    "return torch.stack(areas).mean()",
                ]
            ),
        ],
    ),
    "ece": (
        "calibration_error",
        [
            "def calibration_error(z: Tensor, y: Tensor) -> Tensor:",
            *indented(
                [
                    '"""The mean distance of confidence and accuracy, in 15 bins of the confidence."""',
                    "confidence, predicted = z.softmax(1).max(1)",
                    "bins = (confidence * 15).ceil().long()",
                    "gaps = z.new_zeros(16).index_add(0, bins, (predicted == y).to(z) - confidence)",
                    "return gaps.abs().sum() / len(y)",
                ]
            ),
        ],
    ),
}


def check_metric(metric: str | None, task: str) -> None:
    """Raise ``ValueError`` for a metric of the other task; a name that is none of bridle's is the user's own."""
    if metric in METRICS and metric not in TASK_METRICS[task]:
        raise InputError(f"the metric of a {task} must be one of {', '.join(TASK_METRICS[task])}, got {metric!r}")


class ScoreCode:
    """The score that chooses, and the one shown beside the loss: the same, or the accuracy where the loss chooses.

    A metric of the user's own cannot be written: the loss chooses in its place, which a remark says.
    """

    def __init__(self, spec: TrainingSpec) -> None:
        self.spec = spec
        asked = spec.protocol.metric
        self.unwritten = asked if asked is not None and asked not in METRICS else None
        default = DEFAULT_METRIC[spec.task]
        self.metric = METRICS[default if asked is None or self.unwritten else asked]

    @property
    def shown(self) -> MetricInfo:
        """The score that is measured beside the loss."""
        return METRICS[curve_metric(self.metric.name)]

    @property
    def variable(self) -> str:
        """The variable of the score that chooses."""
        return "valid_loss" if self.metric.name == "log_loss" else self.metric.name

    @property
    def words(self) -> str:
        """What the score that chooses is called."""
        return "loss" if self.metric.name == "log_loss" else label(self.metric.name)

    @property
    def watched(self) -> str:
        """The code of what early stopping watches beside the loss; lower is better."""
        return f"-{self.shown.name}" if self.shown.higher_is_better else self.shown.name

    @property
    def best(self) -> str:
        """The variable of the best score so far."""
        return "highest" if self.metric.higher_is_better else "lowest"

    @property
    def worst(self) -> str:
        """The code of a score than which every other is better."""
        return "-math.inf" if self.metric.higher_is_better else "math.inf"

    def is_better(self, score: str) -> str:
        """Return the code that is true where a score is better than the best so far."""
        return f"{score} {'>' if self.metric.higher_is_better else '<'} {self.best}"

    def lines(self) -> list[str]:
        """Return the lines that measure the score shown beside the loss."""
        if self.shown.name in FUNCTIONS:
            self.spec.script.define(*FUNCTIONS[self.shown.name])
        return LINES[self.shown.name]

    def remark(self) -> list[str]:
        """Return the comment that says which epoch is kept."""
        kept = f"# The weights of the epoch with the {self.best} validation {self.words} are kept."
        own = f"# The loss stands in for {self.unwritten}, which is a metric of your own: put it in its place."
        return [kept, *[own] * bool(self.unwritten)]


def label(name: str) -> str:
    """Return what the output of a script calls a metric."""
    return name.replace("_", " ")
