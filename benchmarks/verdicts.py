"""How often verdicts are wrong, intervals hold and promises are kept: simulated studies with known differences.

    python benchmarks/verdicts.py                       takes about ten minutes on an idle core
    python benchmarks/verdicts.py --quick               a try of a minute; nothing is saved

Every simulated study is judged by the functions that judge real ones. A study has a baseline and 1, 5 or 10 contenders,
whose scores are drawn from a distribution (``SCORES``) or measured on splits of one table (``LEARNERS``). The claims:

    false verdict   of contenders without any effect, none is said to help or hurt (over all together, at most 5.5 %)
    false same      of contenders whose effect is as large as the margin, none is called the same (likewise)
    interval        the 95 % interval holds the true difference (94 to 96 %)
    bootstrap       so does the bootstrap interval, which stands beside it
    promise         a difference of the size that a study promises to show is shown (77 to 83 %)
    seeds           so many new seeds as a study asks for show the difference that it asks them for (at least 77 %)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from bridle.comparison.paired import FEWEST_RESAMPLED, LEVEL, Paired, bootstrap_interval
from bridle.comparison.power import detectable, seeds_needed, smallest_difference
from bridle.comparison.statistics import decide
from bridle.results import SAME, UNDECIDED
from record import measure_and_save

SEEDS, CONTENDERS = (2, 3, 5, 10, 20), (1, 5, 10)
WITHIN = {  # percent
    "false verdict": (0.0, 5.5),
    "false same": (0.0, 5.5),
    "interval": (94.0, 96.0),
    "bootstrap": (94.0, 96.0),
    "promise": (77.0, 83.0),
    "seeds": (77.0, 100.0),
}
MARGIN = 1.5  # standard deviations of a difference: with five seeds it is sometimes settled
UNSTABLE = 1 / 12  # of the rows: whether they are classified rightly is decided by the seed
TABLE_ROWS, TRAIN_ROWS, MEASURED_ROWS, FEATURES = 200, 120, 40, 5  # the other 40 are another held-out part

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Effort:
    """How many studies to simulate for each number."""

    studies: int
    tables: int  # studies on splits of a table, which take longer


QUICK, FULL = Effort(300, 40), Effort(5000, 1500)


@dataclass(frozen=True)
class Share:
    """How often something happened in simulated studies, in percent."""

    claim: str
    scores: str
    contenders: int
    seeds: int
    studies: int
    percent: float

    @property
    def verdict(self) -> str:
        """Does the claim hold, as far as so many studies tell: two standard errors are chance."""
        low, high = WITHIN[self.claim]
        chance = 2 * math.sqrt(self.percent * (100 - self.percent) / self.studies)
        return "holds" if low - chance <= self.percent <= high + chance else "does not hold"


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Scores of all recipes alike, normal."""
    return random.normal(0, math.sqrt(0.5), shape)


def skewed(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Scores of all recipes alike, with a long tail to one side; their differences are symmetric."""
    return random.exponential(math.sqrt(0.5), shape)


def skewed_baseline(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A baseline that now and then fails, and contenders that never do: differences with a long tail to one side."""
    scores = random.normal(0, 0.2, shape)
    scores[:, 0] = random.exponential(1.0, shape[0:1] + shape[2:]) - 1
    return scores


def heavy_tailed(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Scores of all recipes alike, by Student's distribution with 3 degrees of freedom: outliers to both sides."""
    return random.standard_t(3, shape) / math.sqrt(6)


SCORES: dict[str, Draw] = {
    "normal": normal,
    "skewed": skewed,
    "skewed, the baseline alone": skewed_baseline,
    "heavy-tailed": heavy_tailed,
}
COUNTED = {f"accuracy on {rows} rows": rows for rows in (60, 200, 2000)}


def differences(scores: np.ndarray) -> np.ndarray:
    """(studies, 1 + contenders, seeds), the baseline first -> (studies, contenders, seeds)."""
    return scores[:, 1:] - scores[:, :1]


def accuracies(random: np.random.Generator, shape: tuple[int, ...], rows: int, effect: float = 0.0) -> np.ndarray:
    """Accuracies of recipes; the contenders get ``effect`` more of the rows right on which the seed decides."""
    unstable = round(UNSTABLE * rows)
    chances = np.full((1, shape[1], 1), 0.5 + effect)
    chances[:, 0] = 0.5
    return random.binomial(unstable, chances, shape) / rows


def studies_of(
    found: np.ndarray, margin: float = 0.0, n_rows: int | None = None, test_to_train: float | None = None
) -> Iterator[list[Paired]]:
    """(studies, contenders, seeds) -> the differences of each study as it is judged."""
    metric = "accuracy" if n_rows else "log_loss"
    for study in found.tolist():
        yield [Paired(metric, "valid", values, False, margin, test_to_train, n_rows) for values in study]


def percent(happened: Iterator[bool]) -> float:
    """How often, in percent."""
    return 100 * float(np.mean(np.fromiter(happened, bool)))


def any_verdict(studies: Iterator[list[Paired]]) -> float:
    """Percent of studies in which any contender helps or hurts."""
    return percent(any(each.verdict != UNDECIDED for each in decide(study)) for study in studies)


def any_same(studies: Iterator[list[Paired]]) -> float:
    """Percent of studies in which any contender is called the same."""
    return percent(any(each.verdict == SAME for each in decide(study)) for study in studies)


def covered(studies: Iterator[list[Paired]], truth: float) -> float:
    """Percent of intervals that hold the true difference."""
    bounds = (each.interval for study in studies for each in study)
    return percent(low - 1e-12 <= truth <= high + 1e-12 for low, high in bounds)


def promises_kept(random: np.random.Generator, draw: Draw, shape: tuple[int, int, int], others: float = 0.0) -> float:
    """Percent of studies in which the first contender, tried again with the difference that was promised, is shown.

    The other contenders have the difference ``others`` both times.
    """
    before, after = (differences(draw(random, with_baseline(shape))) for _ in range(2))
    before[:, 1:] += others
    after[:, 1:] += others
    after[:, 0] += np.array([[size_promised(study)] for study in studies_of(before)])
    return percent(first_shown(study) for study in studies_of(after))


def size_promised(study: list[Paired]) -> float:
    """The difference that a study promises to show in its first contender."""
    return smallest_difference(study[0], decide(study)[0].level)


def first_shown(study: list[Paired]) -> bool:
    """Is the first contender's difference shown, with its sign."""
    return decide(study)[0].verdict != UNDECIDED and study[0].mean > 0


def seeds_suffice(random: np.random.Generator, draw: Draw, shape: tuple[int, int, int], effect: float) -> float:
    """Percent of studies in which as many new seeds as were asked for show the difference that they were asked for.

    That difference is ``effect`` standard deviations as the first seeds show them.
    """
    studies, contenders, seeds = shape
    before = differences(draw(random, (studies, 2, seeds)))[:, 0]
    spreads = before.std(1, ddof=1)
    centred = (before[:1] - before[:1].mean()) / spreads[0] + effect  # the number asked for depends on the effect alone
    wanted = seeds_needed(Paired("log_loss", "valid", centred[0].tolist(), False), LEVEL / contenders, LEVEL)
    assert wanted is not None, "the effect is too small to be shown"
    after = differences(draw(random, (studies, 1 + contenders, wanted)))
    after[:, 0] += effect * spreads[:, None]
    return percent(first_shown(study) for study in studies_of(after))


def with_baseline(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape of scores whose differences have that shape."""
    return shape[0], shape[1] + 1, shape[2]


def of_distributions(random: np.random.Generator, studies: int) -> Iterator[Share]:
    """All claims on scores that are drawn, but for those counted in rows."""
    for name, draw in SCORES.items():
        for seeds in SEEDS:
            alone = (studies, 1, seeds)
            found = differences(draw(random, with_baseline(alone)))
            yield Share("interval", name, 1, seeds, studies, covered(studies_of(found), 0.0))
            if seeds >= FEWEST_RESAMPLED:
                fewer = studies // 5  # a bootstrap takes milliseconds
                held = percent(low <= 0 <= high for low, high in map(bootstrap_interval, found[:fewer, 0].tolist()))
                yield Share("bootstrap", name, 1, seeds, fewer, held)
            for contenders in CONTENDERS:
                shape = (studies, contenders, seeds)
                found = differences(draw(random, with_baseline(shape)))
                yield Share("false verdict", name, contenders, seeds, studies, any_verdict(studies_of(found)))
                found = differences(draw(random, with_baseline(shape))) + MARGIN
                yield Share("false same", name, contenders, seeds, studies, any_same(studies_of(found, MARGIN)))
                yield Share("promise", name, contenders, seeds, studies, promises_kept(random, draw, shape))


def of_other_effects(random: np.random.Generator, studies: int) -> Iterator[Share]:
    """The promise where the other contenders have effects as well, and the number of seeds asked for."""
    contenders = 5
    for seeds in SEEDS:
        shape = (studies, contenders, seeds)
        barely = detectable(seeds, LEVEL / contenders) / math.sqrt(seeds)
        for name, others in (("the others differ clearly", 1000.0), ("the others differ as much", barely)):
            kept = promises_kept(random, normal, shape, others)
            yield Share("promise", f"normal, {name}", contenders, seeds, studies, kept)
        for effect in (0.5, 1.0, 2.0):
            fewer = studies // 5  # of up to hundreds of seeds
            shown = seeds_suffice(random, normal, (fewer, contenders, seeds), effect)
            yield Share("seeds", f"normal, {effect:g} standard deviations", contenders, seeds, fewer, shown)


def of_counts(random: np.random.Generator, studies: int) -> Iterator[Share]:
    """Errors and intervals of accuracies, which are counted in rows."""
    for name, rows in COUNTED.items():
        for seeds in SEEDS:
            for effect in (0.0, 0.2):
                found = differences(accuracies(random, (studies, 2, seeds), rows, effect))
                truth = effect * round(UNSTABLE * rows) / rows
                named = f"{name}, {'no effect' if not effect else 'an effect'}"
                yield Share("interval", named, 1, seeds, studies, covered(studies_of(found, n_rows=rows), truth))
            for contenders in CONTENDERS:
                shape = (studies, 1 + contenders, seeds)
                found = differences(accuracies(random, shape, rows))
                shown = any_verdict(studies_of(found, n_rows=rows))
                yield Share("false verdict", name, contenders, seeds, studies, shown)
                found = differences(accuracies(random, shape, rows, 0.2))
                margin = 0.2 * round(UNSTABLE * rows) / rows
                shown = any_same(studies_of(found, margin, rows))
                yield Share("false same", name, contenders, seeds, studies, shown)


def least_squares(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """(blocks, rows, features), (rows,), masks (splits, rows) -> mean squared errors (blocks, splits)."""
    masked = train.astype(float)
    gram = np.einsum("sn,bni,bnj->bsij", masked, x, x, optimize=True)
    moment = np.einsum("sn,bni,n->bsi", masked, x, y, optimize=True)
    weights = np.linalg.solve(gram, moment[..., None])[..., 0]
    errors = (np.einsum("bni,bsi->bsn", x, weights) - y) ** 2
    return (errors * test).sum(-1) / test.sum(-1)


def nearest_neighbour(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Likewise the share of rows whose nearest training row is of the other class."""
    distances = ((x[:, :, None] - x[:, None]) ** 2).sum(-1)
    scores = np.empty((len(x), len(train)))
    for place, (known, asked) in enumerate(zip(train, test, strict=True)):
        nearest = distances[:, asked][:, :, known].argmin(-1)
        scores[:, place] = ((y[known] > 0)[nearest] != (y[asked] > 0)).mean(-1)
    return scores


LEARNERS = {"least squares": least_squares, "nearest neighbour": nearest_neighbour}


def measured_on_splits(
    random: np.random.Generator, learn: Callable[..., np.ndarray], tables: int, seeds: int
) -> np.ndarray:
    """Scores (tables, 1 + contenders, seeds) of a learner on splits of a table, a new table for each study.

    Each recipe sees other features of equal worth: over all tables they do equally well, on one table they do not.
    """
    recipes = 1 + max(CONTENDERS)
    scores = np.empty((tables, recipes, seeds))
    for each in scores:
        x = random.normal(size=(recipes, TABLE_ROWS, FEATURES))
        y = x.sum((0, 2)) / math.sqrt(recipes * FEATURES) + random.normal(0, 0.5, TABLE_ROWS)
        order = random.permuted(np.tile(np.arange(TABLE_ROWS), (seeds, 1)), axis=1)
        train, test = order < TRAIN_ROWS, order >= TABLE_ROWS - MEASURED_ROWS
        each[:] = learn(x, y, train, test)
    return scores


def of_tables(random: np.random.Generator, tables: int) -> Iterator[Share]:
    """Errors and intervals where every seed has a split of its own, with the correction and, to compare, without."""
    for learner, learn in LEARNERS.items():
        scores = measured_on_splits(random, learn, tables, max(SEEDS))
        for corrected, ratio in (("", MEASURED_ROWS / (TABLE_ROWS - MEASURED_ROWS)), (", not corrected", None)):
            name = f"splits of a table, {learner}{corrected}"
            for seeds in SEEDS:
                found = differences(scores[:, :, :seeds])
                intervals = covered(studies_of(found[:, :1], test_to_train=ratio), 0.0)
                yield Share("interval", name, 1, seeds, tables, intervals)
                for contenders in CONTENDERS:
                    shown = any_verdict(studies_of(found[:, :contenders], test_to_train=ratio))
                    yield Share("false verdict", name, contenders, seeds, tables, shown)


def measure(quick: bool) -> list[Share]:
    """Simulate everything."""
    effort, random = QUICK if quick else FULL, np.random.default_rng(0)
    return [
        *of_distributions(random, effort.studies),
        *of_other_effects(random, effort.studies),
        *of_counts(random, effort.studies),
        *of_tables(random, effort.tables),
    ]


def table(found: Sequence[Share]) -> Table:
    """One row for each claim, kind of scores and number of contenders; what does not hold is marked."""
    drawn = Table("claim (percent)", "scores", "contenders", *(f"{seeds} seeds" for seeds in SEEDS))
    rows: dict[tuple[str, str, int], dict[int, Share]] = {}
    for share in found:
        rows.setdefault((share.claim, share.scores, share.contenders), {})[share.seeds] = share
    for claim, (low, high) in WITHIN.items():
        for (of, scores, contenders), by_seeds in rows.items():
            if of == claim:
                cells = (cell(by_seeds.get(seeds)) for seeds in SEEDS)
                drawn.add_row(f"{claim} ({low:g} to {high:g})", scores, str(contenders), *cells)
    return drawn


def cell(share: Share | None) -> str:
    """A share, with a mark where the claim does not hold; empty where it was not measured."""
    if share is None:
        return ""
    return f"{share.percent:.1f}{'' if share.verdict == 'holds' else ' !'}"


if __name__ == "__main__":
    measure_and_save("verdicts", __doc__, measure, table)
