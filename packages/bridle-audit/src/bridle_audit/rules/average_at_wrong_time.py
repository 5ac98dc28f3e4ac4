"""The averaged weights are updated at another time than once behind each step of the optimizer.

What it finds:
    Updates of the model that is given to ``watch`` as ``averaged``, counted while the loop runs: more than one for a
    step, as with one for each small batch of an accumulated gradient; between the pass and the step that follows it;
    and for steps that a gradient scaler skipped. One update for several steps is fine.

Why it hurts:
    A decay of 0.999 means a memory of a thousand steps. Four updates for one step shorten it to 250, and three of four
    average weights that have not changed. In front of the step, the average always lacks the newest weights, and the
    first update takes in those that training began with.

Example:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters())
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    with bridle.watch(model, optimizer, averaged=averaged) as watcher:
        for step in range(10):
            for rows in torch.arange(64).split(16):
                nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
                averaged.update_parameters(model)
            optimizer.step()
            optimizer.zero_grad()

Use instead:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters())
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    with bridle.watch(model, optimizer, averaged=averaged) as watcher:
        for step in range(10):
            for rows in torch.arange(64).split(16):
                nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
            averaged.update_parameters(model)
            optimizer.zero_grad()

References:
    SWivid/F5-TTS, issue 631: "just a bug", https://github.com/SWivid/F5-TTS/issues/631
    Lightning, WeightAveraging: it counts the optimizer's steps,
        https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.WeightAveraging.html
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.watch.record import AverageSeen, Record

SEVERITY = "warning"
CURE = "optimizer.step()\naveraged.update_parameters(model)  # once, behind the step"
FEW = 0.05  # of all steps: a gradient scaler skips some while it looks for its scale


def watched(record: Record) -> Iterator[Finding]:
    """More updates than steps, updates for skipped steps, or updates in front of the step."""
    average = record.average
    if average is None or not record.steps:
        return
    numbers = {"updates": average.updates, "steps": record.steps, "extra": average.extra, "early": average.early}
    sentence = words(average, record.steps)
    if sentence:
        yield Finding("the averaged model", sentence, CURE, {**numbers, "skipped": average.skipped})


def words(average: AverageSeen, steps: int) -> str:
    """What is wrong, the worst first; empty where nothing is."""
    least = FEW * (steps + average.extra)
    if average.skipped > least:
        return f"{average.skipped} of {average.updates} updates were for steps that the gradient scaler skipped"
    if average.extra > least:
        return f"{average.updates} updates for {steps} steps: {average.extra} averaged weights that had not changed"
    if average.early > FEW * steps:
        return (
            f"{average.early} of {average.updates} updates came between a pass and its step: they average the weights "
            "of the step before"
        )
    return ""
