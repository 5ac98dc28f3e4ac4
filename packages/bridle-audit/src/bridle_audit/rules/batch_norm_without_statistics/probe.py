"""Batch norms that have nothing to normalize by but the batch."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.forward import run_pass
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.batch_norm_without_statistics.finding import CURE
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for batch norms that normalize by the batch in evaluation mode."""
    names = [name for name, each in setup.batch_norms.items() if lacks_running_statistics(each)]
    if not names:
        return
    moved = batch_dependence(setup)
    seen = (
        "" if moved is None else f": half of the batch alone gives outputs that differ by {moved:.0%} of their length"
    )
    yield Finding(
        first_names(names),
        f"{len(names)} of {len(setup.batch_norms)} norms keep no running statistics and normalize by the batch in "
        f"evaluation mode too{seen}",
        CURE,
        {"norms": float(len(names)), "difference": moved or 0.0},
    )


def lacks_running_statistics(norm: nn.Module) -> bool:
    """Return True if a module is a batch norm (not an instance norm) without running statistics."""
    return isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.running_mean is None


def batch_dependence(setup: Setup) -> float | None:
    """Return the relative change of half the outputs without the other half; None if that pass fails."""
    if setup.batch is None or setup.evaluation is None or not isinstance(setup.evaluation.logits, Tensor):
        return None
    half, whole = len(setup.batch) // 2, setup.evaluation.logits
    try:
        alone = run_pass(setup.model, setup.batch.take_rows(slice(0, half)), None, training=False).logits
    except Exception:  # the user's model may want batches of one size
        return None
    if half == 0 or alone is None or alone.shape != whole[:half].shape:
        return None
    return float((alone - whole[:half]).double().norm() / whole[:half].double().norm().clamp_min(1e-300))
