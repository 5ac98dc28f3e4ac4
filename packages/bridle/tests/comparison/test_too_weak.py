"""Contenders that could change nothing are called that, from measured numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from bridle import Recipe
from bridle.comparison.too_weak import decayed_share, too_weak
from bridle.protocol import Protocol
from bridle.results import HELPS, UNDECIDED, Contender, LayerSummary, Run, Versus

PROTOCOL = Protocol(lr=0.01, epochs=10, schedule="constant")
STEPS = 20  # of an epoch


def run(seed: int, norm: float, best_epoch: int | None = None) -> Run:
    """Return a run of ten epochs whose one layer has this norm."""
    layer = LayerSummary("linear1", 4, 0, norm, {"edges": [], "counts": []})
    return Run("", seed, {}, {"epoch": [float(n) for n in range(1, 11)]}, [layer], 0.0, best_epoch=best_epoch)


def contender(recipe: str, runs: Sequence[Run], verdict: str = UNDECIDED) -> Contender:
    """Return a contender with these runs and verdict."""
    versus = Versus("log_loss", "valid", 0.0, -0.1, 0.1, verdict, "", 0.1, [0.0])
    return Contender(Recipe.parse(recipe).to_json(), recipe, {}, 0.0, 0.0, 0.0, versus, list(runs))


BASELINE = contender("none", [run(0, 10.0), run(1, 11.0)])


def test_a_decay_that_takes_next_to_nothing_is_too_weak() -> None:
    weak = contender("WeightDecay(strength=0.001)", [run(0, 10.0), run(1, 11.0)])
    assert "takes 0.2 % off a weight" in too_weak(weak, BASELINE, PROTOCOL, STEPS)


def test_a_decay_that_takes_its_share_is_not() -> None:
    strong = contender("WeightDecay(strength=1.0)", [run(0, 10.0), run(1, 11.0)])
    assert too_weak(strong, BASELINE, PROTOCOL, STEPS) == ""


def test_the_share_is_that_of_the_steps_until_the_epoch_that_was_kept() -> None:
    whole, half = (decayed_share(0.1, run(0, 1.0, best), PROTOCOL, STEPS) for best in (None, 5))
    assert whole == pytest.approx(1 - math.exp(-0.1 * 0.01 * 200))
    assert half == pytest.approx(1 - math.exp(-0.1 * 0.01 * 100))


def test_the_share_of_a_single_decayed_weight_is_measured_alike() -> None:
    w = 1.0
    protocol = Protocol(lr=0.01, epochs=10)
    for step in range(10 * STEPS):
        w *= 1 - protocol.learning_rate(step, 10 * STEPS) * 0.7
    assert decayed_share(0.7, run(0, 1.0), protocol, STEPS) == pytest.approx(1 - w, rel=1e-2)


def test_a_learning_rate_of_its_own_counts() -> None:
    fast = run(0, 1.0)
    fast.lr = 0.02
    assert decayed_share(0.1, fast, PROTOCOL, STEPS) == pytest.approx(1 - math.exp(-0.1 * 0.02 * 200))


def test_a_penalty_that_leaves_the_weights_as_they_were_is_too_weak() -> None:
    weak = contender("L2(strength=1e-7)", [run(0, 10.01), run(1, 11.0)])
    assert "too weak to act" in too_weak(weak, BASELINE, PROTOCOL, STEPS)
    assert too_weak(contender("L2(strength=0.01)", [run(0, 8.0), run(1, 11.0)]), BASELINE, PROTOCOL, STEPS) == ""


def test_runs_that_kept_other_epochs_tell_nothing() -> None:
    other = contender("L2(strength=1e-7)", [run(0, 10.0, best_epoch=3), run(1, 11.0, best_epoch=4)])
    assert too_weak(other, BASELINE, PROTOCOL, STEPS) == ""


def test_what_is_shown_to_help_is_never_too_weak() -> None:
    shown = contender("WeightDecay(strength=0.001)", [run(0, 10.0), run(1, 11.0)], HELPS)
    assert too_weak(shown, BASELINE, PROTOCOL, STEPS) == ""


def test_what_acts_otherwise_is_not_judged_by_weights() -> None:
    for recipe in ("Dropout(rate=0.01)", "L2(strength=1e-7) + Dropout(rate=0.1)"):
        assert too_weak(contender(recipe, [run(0, 10.0), run(1, 11.0)]), BASELINE, PROTOCOL, STEPS) == ""


def diverged(seed: int) -> Run:
    """Return a run that diverged in its first epoch, before anything was measured."""
    layer = LayerSummary("linear1", 4, 0, math.nan, {"edges": [], "counts": []})
    return Run("", seed, {}, {"epoch": []}, [layer], 0.0, diverged_at=1)


@pytest.mark.parametrize("recipe", ["WeightDecay(strength=0.001)", "L2(strength=1e-7)"])
def test_runs_that_diverged_in_their_first_epoch_tell_nothing(recipe: str) -> None:
    assert too_weak(contender(recipe, [diverged(0), diverged(1)]), BASELINE, PROTOCOL, STEPS) == ""
    others = [run(0, 10.0), diverged(2), run(1, 11.0)]
    assert "too weak to act" in too_weak(contender(recipe, others), BASELINE, PROTOCOL, STEPS)


def test_a_baseline_that_diverged_is_no_measure_of_a_penalty() -> None:
    baseline = contender("none", [run(0, 10.0), diverged(1)])
    assert too_weak(contender("L2(strength=1e-7)", [run(0, 10.0), run(1, 11.0)]), baseline, PROTOCOL, STEPS) == ""
