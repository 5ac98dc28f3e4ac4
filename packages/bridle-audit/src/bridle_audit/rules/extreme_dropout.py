"""A dropout lets next to nothing through: its rate may have been meant as the share that is kept.

What it finds:
    A dropout with a rate of 0.8 or more; at a rate of 1 it is an error. Rates are the share that is dropped in
    PyTorch and Keras; the first TensorFlow took the share that is kept.

Why it hurts:
    With a rate of 0.9 one unit in ten is left, ten times as large. Its variance is that of a handful of units, and
    the layer learns slowly or not at all. With a rate of 1 all outputs are zero in training, while in evaluation mode
    all are there: nothing in front of the dropout ever learns. Hinton's rates are 0.5 for hidden units and 0.2 for
    inputs.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.9), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, JMLR 15, appendix A.4:
        0.5 to 0.8 of the hidden units are kept, https://jmlr.org/papers/v15/srivastava14a.html
    PyTorch, Dropout: p is the "probability of an element to be zeroed",
        https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.layers import drop_rate
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program
from bridle_audit.static.dataflow.stated import stated_number

SEVERITY = "warning"
EXTREME = 0.8  # from here on
LAYERS = [f"torch.nn.{kind}" for kind in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout")]
KERAS = ["keras.layers.Dropout", "keras.layers.SpatialDropout1D", "keras.layers.SpatialDropout2D"]
FUNCTIONS = [
    f"torch.nn.functional.{kind}" for kind in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")
]


def probe(setup: Setup) -> Iterator[Finding]:
    """Dropouts that are declared with such a rate, and functions that are called with one."""
    rates = {name: drop_rate(each) or 0.0 for name, each in setup.dropouts.items()}
    rates |= {use.where: use.rate for use in setup.uses if use.rate > rates.get(use.where, 0.0)}
    for where, rate in rates.items():
        if rate >= EXTREME:
            yield Finding(where, said(rate), cure(rate), {"rate": rate}, severity="error" if rate >= 1 else "")


def said(rate: float) -> str:
    """What such a rate does."""
    if rate >= 1:
        return (
            f"a rate of {rate:g} drops everything: in training nothing comes through, and nothing in front of it learns"
        )
    left = 1 / (1 - rate)
    return (
        f"a rate of {rate:g} drops {rate:.0%} and makes the rest {left:.3g} times as large; was {1 - rate:.2g} meant?"
    )


def cure(rate: float) -> str:
    """The other reading of the number, or a usual one."""
    return f"nn.Dropout({1 - rate:.2g})" if rate < 1 else "nn.Dropout(0.5)"


def read(program: Program) -> Iterator[Finding]:
    """Such a rate in the text."""
    calls = [(call, stated_number(call, 0, "p", 0.5)) for call in program.calls(*LAYERS)]
    calls += [(call, stated_number(call, 0, "rate")) for call in program.calls(*KERAS)]
    calls += [(call, stated_number(call, 1, "p", 0.5)) for call in program.calls(*FUNCTIONS)]
    for call, rate in calls:
        if rate is not None and rate >= EXTREME:
            severity = "error" if rate >= 1 else ""
            yield Finding(program.source(call.node), said(rate), cure(rate), place=call.place, severity=severity)
