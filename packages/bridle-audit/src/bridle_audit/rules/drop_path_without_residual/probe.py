"""Drop-paths without which nothing of the rows arrives."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.forward import ModuleCall, run_pass
from bridle_audit.probe.setup import Setup

CURE = "h = h + self.drop_path(self.branch(h))  # the shortcut carries what a dropped branch does not"
NAMES = ("droppath", "drop_path", "stochasticdepth", "stochastic_depth")  # of classes, in lower case
RATES = ("drop_prob", "p", "rate", "drop_rate")
SAME = 1e-6  # relative: between rows


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a drop-path that is not bypassed by a shortcut."""
    if setup.batch is None or setup.training is None or setup.evaluation is None or setup.evaluation.logits is None:
        return
    if setup.evaluation.logits.ndim < 2 or row_difference(setup.evaluation.logits) <= SAME:
        return
    for name in dict.fromkeys(call.name for call in setup.training.leaf_calls if is_drop_path(call)):
        left = outputs_without(setup, name)
        if left is not None and row_difference(left) <= SAME:
            rows = len(setup.evaluation.logits)
            yield Finding(
                name,
                f"with its output at zero all {rows} rows get the same outputs: no shortcut leads around it, and what "
                "it drops is lost",
                CURE,
                {"rows": float(rows), "difference": row_difference(left)},
            )


def is_drop_path(call: ModuleCall) -> bool:
    """Return True if a module is a drop-path, by the name of its class or because it zeros whole rows."""
    name = type(call.module).__name__.lower()
    if any(getattr(call.module, each, None) == 0 for each in RATES):
        return False
    if any(each in name for each in NAMES):
        return True
    if "drop" not in name or isinstance(call.module, nn.modules.dropout._DropoutNd):
        return False
    if call.input is None or call.output is None or call.output.ndim < 2:
        return False
    arrives, leaves = call.input.flatten(1).any(1), call.output.flatten(1).any(1)
    return bool((arrives & ~leaves).any()) and bool(leaves.any())


def outputs_without(setup: Setup, name: str) -> Tensor | None:
    """Return the outputs in evaluation mode with one module's output set to zero."""
    if setup.batch is None:
        return None

    def zero_output(module: nn.Module, args: tuple[object, ...], output: object) -> object:
        return output * 0 if isinstance(output, Tensor) else output

    hook = setup.modules[name].register_forward_hook(zero_output)
    try:
        return run_pass(setup.model, setup.batch, None, training=False).logits
    finally:
        hook.remove()


def row_difference(outputs: Tensor) -> float:
    """Return the largest difference between any row and the first, relative to the largest output."""
    flat = outputs.double().flatten(1)
    if not flat.numel():
        return 0.0
    return float((flat - flat[:1]).abs().max() / flat.abs().max().clamp_min(1e-300))
