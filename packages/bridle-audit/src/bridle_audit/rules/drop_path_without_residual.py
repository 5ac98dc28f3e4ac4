"""Drop-path stands where there is no way around it: rows that it drops lose everything.

What it finds:
    A drop-path (stochastic depth) that is not on a branch beside a shortcut. Measured: with its output set to zero,
    all rows of the batch get the same outputs, so that nothing of the input arrives.

Why it hurts:
    Drop-path sets all of a row's branch to zero, and what the row is goes on through the shortcut. Without a shortcut
    nothing is left: at a rate of 0.2 every fifth row is trained on a network that has not seen it, and its labels are
    noise.

Example:
    import torch
    from torch import nn

    class DropPath(nn.Module):
        def __init__(self, drop_prob):
            super().__init__()
            self.drop_prob = drop_prob

        def forward(self, x):
            if not self.training:
                return x
            keep = torch.rand(len(x), 1) >= self.drop_prob
            return x * keep / (1 - self.drop_prob)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.branch, self.last = nn.Linear(20, 32), nn.Linear(32, 32), nn.Linear(32, 10)
            self.drop_path = DropPath(0.2)

        def forward(self, x):
            h = self.first(x).relu()
            h = self.drop_path(self.branch(h).relu())
            return self.last(h)

    torch.manual_seed(0)
    model, loss = Net(), nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    class DropPath(nn.Module):
        def __init__(self, drop_prob):
            super().__init__()
            self.drop_prob = drop_prob

        def forward(self, x):
            if not self.training:
                return x
            keep = torch.rand(len(x), 1) >= self.drop_prob
            return x * keep / (1 - self.drop_prob)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.branch, self.last = nn.Linear(20, 32), nn.Linear(32, 32), nn.Linear(32, 10)
            self.drop_path = DropPath(0.2)

        def forward(self, x):
            h = self.first(x).relu()
            h = h + self.drop_path(self.branch(h).relu())
            return self.last(h)

    torch.manual_seed(0)
    model, loss = Net(), nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    Huang et al., Deep Networks with Stochastic Depth, 2016, section 3: the identity stays when a block is dropped,
        https://arxiv.org/abs/1603.09382
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.passes import Call, run
from bridle_audit.probe.setup import Setup

SEVERITY = "warning"
CURE = "h = h + self.drop_path(self.branch(h))  # the shortcut carries what a dropped branch does not"
NAMES = ("droppath", "drop_path", "stochasticdepth", "stochastic_depth")  # of classes, in lower case
RATES = ("drop_prob", "p", "rate", "drop_rate")
SAME = 1e-6  # relative: between rows


def probe(setup: Setup) -> Iterator[Finding]:
    """Drop-paths without which nothing of the rows arrives."""
    if setup.batch is None or setup.training is None or setup.evaluation is None or setup.evaluation.logits is None:
        return
    if setup.evaluation.logits.ndim < 2 or difference(setup.evaluation.logits) <= SAME:
        return
    for name in dict.fromkeys(call.name for call in setup.training.leaves if drops_rows(call)):
        left = without(setup, name)
        if left is not None and difference(left) <= SAME:
            rows = len(setup.evaluation.logits)
            yield Finding(
                name,
                f"with its output at zero all {rows} rows get the same outputs: no shortcut leads around it, and what "
                "it drops is lost",
                CURE,
                {"rows": float(rows), "difference": difference(left)},
            )


def drops_rows(call: Call) -> bool:
    """Whether a call is that of a drop-path: by the name of its class, or as it drops whole rows."""
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


def without(setup: Setup, name: str) -> Tensor | None:
    """The outputs in evaluation mode with one module's output set to zero."""
    if setup.batch is None:
        return None

    def silence(module: nn.Module, args: Any, output: Any) -> Any:
        return output * 0 if isinstance(output, Tensor) else output

    hook = setup.modules[name].register_forward_hook(silence)
    try:
        return run(setup.model, setup.batch, None, training=False).logits
    finally:
        hook.remove()


def difference(outputs: Tensor) -> float:
    """The largest difference between a row and the first, over the largest number."""
    flat = outputs.double().flatten(1)
    if not flat.numel():
        return 0.0
    return float((flat - flat[:1]).abs().max() / flat.abs().max().clamp_min(1e-300))
