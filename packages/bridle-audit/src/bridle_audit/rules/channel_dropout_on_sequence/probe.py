"""Channel dropouts between layers whose features are on the last axis."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same_numbers
from bridle_audit.probe.forward import ModuleCall
from bridle_audit.probe.function_calls import CHANNELWISE, FunctionCall
from bridle_audit.probe.setup import Setup

CURE = "h = self.dropout(h.transpose(1, 2)).transpose(1, 2)  # channels second while it drops; or nn.Dropout"
FEATURES_LAST = (nn.Linear, nn.Embedding, nn.LayerNorm, nn.RMSNorm, nn.RNNBase, nn.MultiheadAttention)
POINTWISE = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.ELU, nn.Dropout, nn.Identity)


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a channel dropout next to a layer with its features on the last axis."""
    leaves = setup.training.leaf_calls if setup.training else ()
    names = set(CHANNELWISE.values())
    for use in setup.function_calls:
        if not use.drops or use.function not in names or use.input is None or use.input.ndim < 3:
            continue
        if neighbour := feature_layer(use, leaves):
            steps, features = use.input.shape[1], use.input.shape[-1]
            yield Finding(
                use.site,
                f"drops {use.rate:.3g} of the {steps} slices along axis 1, but layer {neighbour} has its {features} "
                "features on the last axis: each step is dropped with all its features",
                CURE,
                {"rate": use.rate, "steps": float(steps), "features": float(features)},
            )


def feature_layer(use: FunctionCall, leaves: tuple[ModuleCall, ...]) -> str:
    """Return the name of the features-last layer next to a dropout; empty if there is none."""
    for call in leaves:
        if is_same_tensor(call.input, use.output) and isinstance(call.module, FEATURES_LAST):
            return call.name
    entered = use.input
    for call in reversed(leaves):
        if not is_same_tensor(call.output, entered):
            continue
        if isinstance(call.module, FEATURES_LAST):
            return call.name
        if not isinstance(call.module, POINTWISE):
            return ""
        entered = call.input  # goes on to what is in front of an activation
    return ""


def is_same_tensor(held: Tensor | None, wanted: Tensor | None) -> bool:
    """Return True if both are tensors with the same numbers and the same order of axes."""
    return held is not None and wanted is not None and same_numbers(held, wanted)
