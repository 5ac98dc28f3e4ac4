"""At the end of the training, the averaged weights are still in good part the first ones.

What it finds:
    An exponential moving average that is too long for the steps that there are: of the weights that went in first, more
    than 5 % is left after the last step. Measured from the function that averages, with its warmup if it has one.

Why it hurts:
    What is evaluated and saved is not a trained network. A decay of 0.9999 keeps 90 % of the first weights after 1,000
    steps and 61 % after 5,000; 0.9998 keeps 55 % after 3,000. The loss of the current network falls and that of the
    average does not, which looks like overfitting or a bug in the evaluation. The long decays in papers go with
    hundreds of thousands of steps.

Example:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 4))
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9999))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(64, 20), torch.arange(64) % 4
    steps = 1000
    for step in range(steps):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        averaged.update_parameters(model)

Use instead:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 4))
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(64, 20), torch.arange(64) % 4
    steps = 1000
    for step in range(steps):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        averaged.update_parameters(model)

References:
    timm, ModelEmaV3: on the choice of the decay, and a warmup,
    https://github.com/huggingface/pytorch-image-models/blob/main/timm/utils/model_ema.py
    Tarvainen and Valpola, Mean Teachers Are Better Role Models, 2017, https://arxiv.org/abs/1703.01780
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.averages import Average
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program
from bridle_audit.static.dataflow.averaging import decays

SEVERITY = "error"
MUCH = 0.05  # of the first weights
WINDOWS = 10  # how many times 1 / (1 - decay) the training should be: 0.005 % of the first weights are left then


def probe(setup: Setup) -> Iterator[Finding]:
    """The share of the first weights, by the function that averages."""
    if setup.averaged is None or not setup.steps:
        return
    average = Average(setup.averaged, setup.model)
    left = average.left_of_first(setup.steps)
    if left is None or left < MUCH or average.is_mean:
        return
    decay = 1 - (average.share(setup.steps) or 0.0)
    yield Finding(
        "the averaged model",
        f"a decay of {decay:.6g} for {setup.steps} steps: {left:.0%} of the average is still what went in first",
        cure(setup.steps),
        {"decay": decay, "steps": setup.steps, "left of the first weights": left},
    )


def read(program: Program) -> Iterator[Finding]:
    """A decay that is stated, and loops whose lengths are."""
    for node, decay, steps in decays(program):
        left = decay ** (steps - 1)
        if left >= MUCH:
            yield Finding(
                program.source(node),
                f"a decay of {decay:.6g} for {steps} steps: {left:.0%} of the average is still what went in first",
                cure(steps),
                {"decay": decay, "steps": steps, "left of the first weights": left},
                place=program.place(node),
            )


def cure(steps: int) -> str:
    """A decay that fits the steps."""
    decay = max(0.0, 1 - WINDOWS / steps)
    return (
        f"AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn({decay:.6g}))  # forgets in {steps // WINDOWS} steps"
    )
