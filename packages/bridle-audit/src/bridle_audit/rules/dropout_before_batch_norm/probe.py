"""Batch norms whose inputs vary more in training than they will in evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.forward import ForwardPass, ModuleCall, run_pass
from bridle_audit.probe.layers import drop_rate
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names

CURE = (
    "nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(0.5), nn.Linear(units, classes)  # dropout behind the last batch norm"
)
FINE = (0.8, 1.25)  # where the two variances are so close, evaluation is near enough to training
SMALL = (2 / 3, 1.5)  # where they are so close, it is a note
DRAWS = 8  # of the noise: one draw of a small batch says too little


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for batch norms whose input variance differs between training and evaluation."""
    norms = (
        [each.name for each in setup.training.leaf_calls if updates_running_statistics(each)] if setup.training else []
    )
    if not norms or not (
        any(use.drops for use in setup.function_calls) or any(map(drop_rate, setup.dropouts.values()))
    ):
        return
    ratios = {name: ratio for name, ratio in variance_ratios(setup, norms).items() if not FINE[0] <= ratio <= FINE[1]}
    if not ratios:
        return
    worst = max(ratios, key=lambda name: max(ratios[name], 1 / ratios[name]))
    yield Finding(
        first_names(list(ratios)),
        f"under dropout the variance that comes into layer {worst} is {ratios[worst]:.2f} times what it is without: "
        "the norm remembers that one, and divides by it in evaluation mode",
        CURE,
        ratios,
        severity="note" if SMALL[0] <= ratios[worst] <= SMALL[1] else "",
    )


def updates_running_statistics(call: ModuleCall) -> bool:
    """Return True if a batch norm ran in training mode and tracks running statistics."""
    norm = call.module
    return isinstance(norm, nn.modules.batchnorm._BatchNorm) and call.training and norm.running_var is not None


def variance_ratios(setup: Setup, norms: list[str]) -> dict[str, float]:
    """Return, for each norm, the variance of its input in training over that without dropout."""
    if setup.batch is None or setup.training_without_dropout is None:
        return {}
    clean, noisy = input_variances(setup.training_without_dropout, norms), dict.fromkeys(norms, 0.0)
    for seed in range(DRAWS):
        drawn = input_variances(run_pass(setup.model, setup.batch, None, training=True, seed=seed), norms)
        noisy = {name: noisy[name] + drawn[name] / DRAWS for name in norms}
    return {name: noisy[name] / clean[name] for name in norms if clean[name] > 0 and noisy[name] > 0}


def input_variances(done: ForwardPass, norms: list[str]) -> dict[str, float]:
    """Return the variance of the input of each norm in a pass."""
    return {name: input_variance(done.first_call(name)) for name in norms}


def input_variance(call: ModuleCall | None) -> float:
    """Return the variance of a call's input, averaged over the channels; 0 without an input."""
    if call is None or not isinstance(call.input, Tensor) or call.input.ndim < 2:
        return 0.0
    by_channel = call.input.detach().float().transpose(0, 1).flatten(1)
    return float(by_channel.var(1).mean()) if by_channel.shape[1] > 1 else 0.0
