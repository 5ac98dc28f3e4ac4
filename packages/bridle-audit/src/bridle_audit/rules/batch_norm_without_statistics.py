"""A batch norm keeps no running statistics: what the model says of a row depends on the rows beside it.

What it finds:
    Batch norms with `track_running_stats=False`. Measured: the outputs of the first half of the batch in evaluation
    mode, alone and with the other half beside them.

Why it hurts:
    Such a norm normalizes by the batch in evaluation mode too. The score depends on the size and the order of the
    batches that it is measured on, a batch of one row cannot be normalized at all, and rows of the test data tell on
    each other. Where that is wanted, in some few-shot methods and image generators, allow this rule.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(20, 32, bias=False),
        nn.BatchNorm1d(32, track_running_stats=False),
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
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    PyTorch, BatchNorm1d: without running statistics "batch statistics are instead used during evaluation time as well",
        https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.passes import run
from bridle_audit.probe.setup import Setup, described
from bridle_audit.static import Program

SEVERITY = "warning"
CURE = "nn.BatchNorm1d(units)  # keeps running statistics; or nn.GroupNorm(groups, units), which needs none"
LAYERS = [f"torch.nn.{kind}" for kind in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")]


def probe(setup: Setup) -> Iterator[Finding]:
    """Batch norms that have nothing to normalize by but the batch."""
    names = [name for name, each in setup.batch_norms.items() if is_bare(each)]
    if not names:
        return
    moved = change_by_the_others(setup)
    seen = (
        "" if moved is None else f": half of the batch alone gives outputs that differ by {moved:.0%} of their length"
    )
    yield Finding(
        described(names),
        f"{len(names)} of {len(setup.batch_norms)} norms keep no running statistics and normalize by the batch in "
        f"evaluation mode too{seen}",
        CURE,
        {"norms": float(len(names)), "difference": moved or 0.0},
    )


def is_bare(norm: nn.Module) -> bool:
    """Whether it is a batch norm, not an instance norm, without running statistics."""
    return isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.running_mean is None


def change_by_the_others(setup: Setup) -> float | None:
    """How far the outputs of half of the rows move without the other half; None where that cannot be tried."""
    if setup.batch is None or setup.evaluation is None or not isinstance(setup.evaluation.logits, Tensor):
        return None
    half, whole = len(setup.batch) // 2, setup.evaluation.logits
    try:
        alone = run(setup.model, setup.batch.part(slice(0, half)), None, training=False).logits
    except Exception:  # the user's model may want batches of one size
        return None
    if half == 0 or alone is None or alone.shape != whole[:half].shape:
        return None
    return float((alone - whole[:half]).double().norm() / whole[:half].double().norm().clamp_min(1e-300))


def read(program: Program) -> Iterator[Finding]:
    """`track_running_stats=False` in the text."""
    for call in program.calls(*LAYERS):
        if call.value(4, "track_running_stats", True) is False:
            yield Finding(
                program.source(call.node),
                "keeps no running statistics: in evaluation mode too it normalizes by whatever rows are in the batch",
                CURE,
                place=call.place,
            )
