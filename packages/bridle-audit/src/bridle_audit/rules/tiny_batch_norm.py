"""Batch norm takes its statistics from one or two rows.

What it finds:
    The fewest rows, and the fewest values per channel (rows times positions), that a batch norm met in training mode.
    An error where every batch has at most two values per channel; a warning where some have, or where most batches
    have at most two rows; a note where some have at most two rows, as the last batch of an epoch may. Before
    training, the same of the batch that is given, and of the last batch of an epoch where that is a ``DataLoader``.
    In files, a shuffled ``DataLoader`` with batches of one or two rows, in a program that trains and whose networks
    have batch norm.

Why it hurts:
    Of two values, normalized, one is +1 and the other -1, whatever they were: nothing of the input but its order
    comes through. A single value raises an error in torch. With few rows the statistics are mostly noise: on ImageNet
    the error of a ResNet-50 rises from 23.6 to 34.7 % as the batch of each worker shrinks from 32 to 2 rows, where
    that of group norm stays at 24.1. One such batch at the end of an epoch also has a full share in what the norm
    remembers.

Example:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    import bridle

    torch.manual_seed(0)
    data = TensorDataset(torch.randn(34, 3, 8, 8), torch.randn(34, 1))
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 1))
    optimizer = torch.optim.Adam(model.parameters())
    with bridle.watch(model, optimizer) as watcher:
        for x, y in DataLoader(data, batch_size=2, shuffle=True):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()

Use instead:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    import bridle

    torch.manual_seed(0)
    data = TensorDataset(torch.randn(34, 3, 8, 8), torch.randn(34, 1))
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 1))
    optimizer = torch.optim.Adam(model.parameters())
    with bridle.watch(model, optimizer) as watcher:
        for x, y in DataLoader(data, batch_size=16, shuffle=True, drop_last=True):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()

References:
    Wu and He, Group Normalization, 2018, https://arxiv.org/abs/1803.08494
    fastai/fastai, issue 1352, https://github.com/fastai/fastai/issues/1352
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described
from bridle_audit.static import Program
from bridle_audit.static.dataflow.stated import stated_number
from bridle_audit.watch.record import LayerSeen, Record
from bridle_audit.wording import counted

SEVERITY = "warning"
DROP = "DataLoader(data, batch_size=32, shuffle=True, drop_last=True)  # no small batch at the end"
FEW = "with at most 2 rows in a batch its statistics are those of hardly more than one row"
GROUPS = "nn.GroupNorm(32, channels)  # in place of batch norm: it does not need the other rows"
NORMS = (
    *(f"torch.nn.BatchNorm{axes}d" for axes in (1, 2, 3)),
    *(
        f"torchvision.models.{kind}*"
        for kind in ("resnet", "wide_resnet", "resnext", "densenet", "mobilenet", "efficientnet")
    ),
)
OTHERWISE = ("torch.nn.SyncBatchNorm.convert_sync_batchnorm", "torch.nn.SyncBatchNorm")  # takes the rows of all workers


def probe(setup: Setup) -> Iterator[Finding]:
    """Batch norms that would take their statistics from one or two values."""
    if setup.batch is None or not setup.batch_norms:
        return
    rows, last = len(setup.batch), setup.batch.last_rows
    if "more than 1 value per channel" in str(setup.training_or_error):
        yield Finding(
            described(list(setup.batch_norms)),
            f"training mode fails on this batch ({counted('row', rows)}): one value has no variance",
            GROUPS,
            {"rows": rows, "values": 1},
            severity="error",
        )
        return
    values = values_per_row(setup)
    if values and min(values.values()) * rows <= 2:
        names = [name for name, each in values.items() if each * rows <= 2]
        yield Finding(
            described(names),
            f"2 values per channel in this batch ({counted('row', rows)}): each output is +1 or -1, whatever came in",
            GROUPS,
            {"rows": rows, "values": 2},
        )
    elif values and last and min(values.values()) * last <= 2:
        yield from at_the_end([name for name, each in values.items() if each * last <= 2], last, rows)
    elif values and rows <= 2:
        yield Finding(described(list(values)), f"{FEW} (this one has {rows})", GROUPS, {"rows": rows})


def at_the_end(names: Sequence[str], last: int, rows: int) -> Iterator[Finding]:
    """The last batch of an epoch is what is left over."""
    effect = "training stops there with an error" if last == 1 else "each output is +1 or -1, whatever came in"
    yield Finding(
        described(names),
        f"the last batch of an epoch has {counted('row', last)}, where the others have {rows}: {effect}",
        DROP,
        {"rows": last},
        severity="error" if last == 1 else "",
    )


def values_per_row(setup: Setup) -> dict[str, float]:
    """For each batch norm in training mode, how many numbers of each channel a row has."""
    found: dict[str, float] = {}
    for call in setup.training.leaves if setup.training else ():
        entered = call.input
        if isinstance(call.module, nn.modules.batchnorm._BatchNorm) and call.training and entered is not None:
            found[call.name] = entered.numel() / entered.shape[1] / max(len(setup.batch or ()), 1)
    return found


def read(program: Program) -> Iterator[Finding]:
    """Shuffled loaders of one or two rows, where batch norms are trained."""
    if not program.calls("method:backward") or program.calls(*OTHERWISE) or not program.calls(*NORMS):
        return
    for call in program.calls("torch.utils.data.DataLoader"):
        rows = stated_number(call, 1, "batch_size", 1.0)
        if rows is not None and rows <= 2 and call.value(2, "shuffle", False) is True:
            yield Finding(program.source(call.node), f"{FEW} (batch_size={rows:g})", GROUPS, place=call.place)


def watched(record: Record) -> Iterator[Finding]:
    """Norms that met at most two values per channel, or at most two rows."""
    tiny = [each for each in record.layers if each.tiny]
    small = [each for each in record.layers if each.small and not each.tiny]
    if tiny:
        worst = max(tiny, key=lambda each: each.tiny)
        always = worst.tiny == worst.trained
        effect = "each output is +1 or -1, whatever came in" if worst.fewest_values == 2 else "nothing comes through"
        yield Finding(
            described([each.name for each in tiny]),
            f"{worst.tiny} of {worst.trained} batches in training mode had {worst.fewest_values} values per channel: "
            f"{effect}",
            GROUPS if always else DROP,
            {"values": worst.fewest_values or 0, "batches": worst.tiny},
            severity="error" if always else "",
        )
    if small:
        yield few_rows(small)


def few_rows(small: Sequence[LayerSeen]) -> Finding:
    """Few rows with many positions each."""
    worst = max(small, key=lambda each: each.small)
    mostly = worst.small > worst.trained / 2
    return Finding(
        described([each.name for each in small]),
        f"{worst.small} of {worst.trained} batches in training mode had at most 2 rows (the smallest "
        f"{worst.fewest_rows}): the statistics of a batch are those of hardly more than one image",
        GROUPS if mostly else DROP,
        {"rows": worst.fewest_rows or 0, "batches": worst.small},
        severity="" if mostly else "note",
    )
