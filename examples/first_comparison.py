"""The README's comparison, and its picture: how much each recipe changes the validation log-loss, seed by seed.

    python examples/first_comparison.py [first_comparison.svg]

A dot is the difference to no regularization under one seed, which has the same initial weights, batches and noise in
both; the bar is the 95 % confidence interval of their mean.
"""

import sys

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import bridle
from bridle import BatchNorm, Dropout, Study, WeightDecay

RECIPES = [WeightDecay(strength=0.5), Dropout(rate=0.2), BatchNorm()]


def draw(axes: Axes, study: Study) -> None:
    """A row for each recipe: its seeds, and the interval of their mean."""
    for recipe, contender in list(enumerate(study.contenders))[1:]:
        versus = contender.versus_baseline
        assert versus is not None
        axes.plot([versus.low, versus.high], [recipe, recipe], color="tab:blue", linewidth=6, alpha=0.3)
        axes.plot(versus.difference, recipe, "|", color="tab:blue", markersize=16, markeredgewidth=2)
        axes.plot(versus.values, [recipe] * len(study.seeds), "o", color="tab:blue", markersize=4)
    axes.axvline(0, color="0.5", linewidth=1)
    axes.set_yticks(range(1, len(study.contenders)), [each.name for each in study.contenders[1:]])
    axes.invert_yaxis()
    axes.margins(y=0.3)
    axes.set_xlabel("validation log-loss against no regularization; left is better")
    axes.spines[["top", "right", "left"]].set_visible(False)


def main() -> None:
    """Make the comparison, say what came out, and save the picture."""
    study = bridle.compare(bridle.load("digits"), RECIPES, seeds=5)
    for contender in study.contenders[1:]:
        print(f"{contender.name} {contender.versus_baseline.words if contender.versus_baseline else ''}")
    with mpl.rc_context({"svg.hashsalt": "bridle", "font.size": 9}):
        figure = Figure(figsize=(7, 2), layout="constrained")
        draw(figure.subplots(), study)
        figure.savefig(sys.argv[1] if sys.argv[1:] else "first_comparison.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
