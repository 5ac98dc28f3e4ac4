"""The momentum of a batch norm is in another library's convention: it remembers next to nothing.

What it finds:
    A batch norm of PyTorch with a momentum over 0.5; one of Keras with a momentum under 0.5.

Why it hurts:
    In PyTorch the momentum is the weight of the newest batch, 0.1 as it comes: half of what is remembered is from the
    last 6.6 batches. In Keras it is the weight of the past, 0.99. With 0.9 in PyTorch 90 % of the running mean and
    variance are those of the last batch, and with 0.99 it is 99 %: evaluation depends on which batch came last.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(20, 32, bias=False),
        nn.BatchNorm1d(32, momentum=0.99),
        nn.ReLU(),
        nn.Linear(32, 10),
    )
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(20, 32, bias=False),
        nn.BatchNorm1d(32, momentum=0.01),
        nn.ReLU(),
        nn.Linear(32, 10),
    )
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    PyTorch, BatchNorm1d, the note: "This momentum argument is different from one used in optimizer classes and the
        conventional notion of momentum", https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html
    Keras, BatchNormalization: moving_mean * momentum + mean(batch) * (1 - momentum),
        https://keras.io/api/layers/normalization_layers/batch_normalization/
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program
from bridle_audit.static.dataflow.stated import stated_number

SEVERITY = "error"
MOST = 0.5  # of the newest batch in the running statistics
LAYERS = [f"torch.nn.{kind}" for kind in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")]


def probe(setup: Setup) -> Iterator[Finding]:
    """Batch norms with such a momentum."""
    for name, norm in setup.batch_norms.items():
        if not isinstance(norm, nn.modules.batchnorm._NormBase) or not norm.track_running_stats:
            continue
        if norm.momentum is not None and norm.momentum > MOST:
            yield Finding(name, said(norm.momentum), cure(norm.momentum), {"momentum": norm.momentum})


def said(momentum: float) -> str:
    """What is remembered."""
    newest = f"{100 * momentum:.4g}%"
    return f"momentum={momentum:g} in PyTorch: {newest} of the running mean and variance are those of the last batch"


def cure(momentum: float) -> str:
    """The same memory in PyTorch's convention."""
    return f"nn.BatchNorm1d(units, momentum={max(1 - momentum, 0.01):.3g})  # the weight of the newest batch"


def read(program: Program) -> Iterator[Finding]:
    """Such a momentum in the text, of either library."""
    for call in program.calls(*LAYERS):
        momentum = stated_number(call, 2, "momentum", 0.1)
        if momentum is not None and momentum > MOST:
            yield Finding(program.source(call.node), said(momentum), cure(momentum), place=call.place)
    for call in program.calls("keras.layers.BatchNormalization"):
        momentum = stated_number(call, 1, "momentum", 0.99)
        if momentum is not None and momentum < MOST:
            yield Finding(
                program.source(call.node),
                f"momentum={momentum:g} in Keras is the weight of the past: {100 - 100 * momentum:.4g}% of the moving "
                "mean and variance are those of the last batch",
                f"layers.BatchNormalization(momentum={1 - momentum:.3g})  # the weight of the past",
                place=call.place,
            )
