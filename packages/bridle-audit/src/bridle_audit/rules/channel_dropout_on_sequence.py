"""A channel dropout drops whole steps of a sequence, as the channels are not where it looks for them.

What it finds:
    `Dropout1d`, `Dropout2d` or `Dropout3d` on a tensor with its features at the end, such as (rows, steps, features).
    They drop whole slices along the second axis. Measured: the layer in front or behind counts its features on the
    last axis (a linear layer, an embedding, a layer norm, a recurrent layer), and the mask is constant along it.

Why it hurts:
    Each step of the sequence is left whole or is dropped whole, with all of its features: the network loses words,
    not features. `Dropout2d` on three axes takes the tensor for (rows, channels, length); PyTorch warns, once, and
    goes on.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(50, 16),
        nn.Dropout1d(0.2),
        nn.Linear(16, 16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 16, 4),
    )
    loss = nn.CrossEntropyLoss()
    x, y = torch.randint(50, (16, 12)), torch.arange(16) % 4
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    class FeatureDropout(nn.Module):
        def __init__(self, rate):
            super().__init__()
            self.drop = nn.Dropout1d(rate)

        def forward(self, x):
            return self.drop(x.transpose(1, 2)).transpose(1, 2)

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(50, 16),
        FeatureDropout(0.2),
        nn.Linear(16, 16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 16, 4),
    )
    loss = nn.CrossEntropyLoss()
    x, y = torch.randint(50, (16, 12)), torch.arange(16) % 4
    value = loss(model(x), y)

References:
    PyTorch, Dropout1d: "a channel is a 1D feature map", input of the form (N, C, L),
        https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout1d.html
    Tompson et al., Efficient Object Localization Using Convolutional Networks, 2015, https://arxiv.org/abs/1411.4280
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same
from bridle_audit.probe.functions import CHANNELWISE, Use
from bridle_audit.probe.passes import Call
from bridle_audit.probe.setup import Setup

SEVERITY = "warning"
CURE = "h = self.dropout(h.transpose(1, 2)).transpose(1, 2)  # channels second while it drops; or nn.Dropout"
FEATURES_LAST = (nn.Linear, nn.Embedding, nn.LayerNorm, nn.RMSNorm, nn.RNNBase, nn.MultiheadAttention)
POINTWISE = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.ELU, nn.Dropout, nn.Identity)


def probe(setup: Setup) -> Iterator[Finding]:
    """Channel dropouts between layers whose features are on the last axis."""
    leaves = setup.training.leaves if setup.training else ()
    names = set(CHANNELWISE.values())
    for use in setup.uses:
        if not use.drops or use.function not in names or use.input is None or use.input.ndim < 3:
            continue
        if neighbour := feature_layer(use, leaves):
            steps, features = use.input.shape[1], use.input.shape[-1]
            yield Finding(
                use.where,
                f"drops {use.rate:.3g} of the {steps} slices along axis 1, but layer {neighbour} has its {features} "
                "features on the last axis: each step is dropped with all its features",
                CURE,
                {"rate": use.rate, "steps": float(steps), "features": float(features)},
            )


def feature_layer(use: Use, leaves: tuple[Call, ...]) -> str:
    """The layer in front of a dropout, or behind it, that has its features on the last axis; empty without one."""
    for call in leaves:
        if holds(call.input, use.output) and isinstance(call.module, FEATURES_LAST):
            return call.name
    entered = use.input
    for call in reversed(leaves):
        if not holds(call.output, entered):
            continue
        if isinstance(call.module, FEATURES_LAST):
            return call.name
        if not isinstance(call.module, POINTWISE):
            return ""
        entered = call.input  # goes on to what is in front of an activation
    return ""


def holds(held: Tensor | None, wanted: Tensor | None) -> bool:
    """Whether both are the same numbers in the same order of axes."""
    return held is not None and wanted is not None and same(held, wanted)
