"""Contenders that are too weak to change anything, told from measured numbers before their verdict is read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bridle.protocol import Protocol
from bridle.regularizers import WeightDecay
from bridle.results import HELPS, HURTS, Contender, Run

__all__ = ["note_too_weak"]

LITTLE_DECAY = 0.05  # share of a weight that a decay takes over the whole training
LIKE_BASELINE = 0.01  # relative difference of weight norms that two runs of one recipe can have as well
PENALTIES = ("L1", "L2", "ElasticNet", "GroupLasso", "L2ToInit", "Orthogonality", "SpectralPenalty")


def too_weak(contender: Contender, baseline: Contender, protocol: Protocol, steps_per_epoch: int) -> str:
    """Return why a contender could change nothing, as a sentence; empty where it acts, or where that is not known."""
    versus = contender.versus_baseline
    if versus is None or versus.verdict in (HELPS, HURTS) or len(contender.recipe) != 1:
        return ""
    name = contender.recipe[0].get("name")
    if name == WeightDecay.__name__:
        return weak_decay(contender, protocol, steps_per_epoch)
    return weak_penalty(contender, baseline) if name in PENALTIES else ""


def weak_decay(contender: Contender, protocol: Protocol, steps_per_epoch: int) -> str:
    """Say how little a decoupled decay takes off a weight in the runs as long as they were."""
    (settings,) = contender.recipe
    strength = settings.get("strength")
    if settings.get("per", "lr") != "lr" or not isinstance(strength, int | float):
        return ""
    shares = [decayed_share(float(strength), run, protocol, steps_per_epoch) for run in whole(contender)]
    if not shares or max(shares) >= LITTLE_DECAY:
        return ""
    return f"too weak to act: over its whole training it takes {100 * max(shares):.1g} % off a weight"


def decayed_share(strength: float, run: Run, protocol: Protocol, steps_per_epoch: int) -> float:
    """Return the share of a weight that decay alone takes until the epoch whose weights were kept."""
    steps, kept = run.epochs * steps_per_epoch, (run.best_epoch or run.epochs) * steps_per_epoch
    scale = (run.lr or protocol.peak_lr) / protocol.peak_lr
    return 1 - math.exp(-strength * scale * math.fsum(protocol.learning_rate(step, steps) for step in range(kept)))


def weak_penalty(contender: Contender, baseline: Contender) -> str:
    """Say that a penalty left the weights as large as they are without it, where both kept the same epochs."""
    theirs = {run.seed: run for run in whole(baseline)}
    pairs = [(run, theirs[run.seed]) for run in whole(contender) if run.seed in theirs]
    alike = [(ours, base) for ours, base in pairs if kept_epochs(ours) == kept_epochs(base)]
    if len(alike) < 2:
        return ""
    ratios = [norm(ours) / norm(base) for ours, base in alike if norm(base) > 0]
    if not ratios or not max(abs(ratio - 1) for ratio in ratios) < LIKE_BASELINE:
        return ""
    return (
        f"too weak to act: its weights are as large as the baseline's, within {100 * LIKE_BASELINE:.0f} %, "
        "wherever both were trained as long"
    )


def kept_epochs(run: Run) -> tuple[int, int | None]:
    """Return how long a run was trained, and which epoch was kept."""
    return run.epochs, run.best_epoch


def whole(contender: Contender) -> list[Run]:
    """Return the runs that did not diverge: whatever made the others diverge acted, and their weights say nothing."""
    return [run for run in contender.runs if run.diverged_at is None]


def norm(run: Run) -> float:
    """Return the Euclidean norm of all weights."""
    return math.hypot(*(layer.weight_norm for layer in run.layers))


def note_too_weak(contenders: Sequence[Contender], protocol: Protocol, steps_per_epoch: int) -> None:
    """Note on every contender whether it was too weak to change anything."""
    baseline, *others = contenders
    for each in others:
        each.too_weak = too_weak(each, baseline, protocol, steps_per_epoch)
