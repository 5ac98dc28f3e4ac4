"""The model gives something else for the same batch each time, in evaluation mode.

What it finds:
    Randomness that evaluation mode does not switch off. Measured: two passes over one batch in evaluation mode, under
    two seeds; where they differ, the first module whose output does though its input does not. It is an error where
    dropout is the reason: a function that is not told of the mode, attention with a fixed `dropout_p`, a mask drawn
    by hand. Other noise, as a variational autoencoder draws on purpose, is a note.

Why it hurts:
    Predictions depend on luck. A validation score is worse than the model is and moves from run to run; a saved model
    gives other answers than the ones that were tested. `F.dropout(x, 0.5)` is the usual reason: its `training` is
    True where nothing is said, and `F.scaled_dot_product_attention` knows of no mode at all.

Example:
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.output = nn.Linear(20, 32), nn.Linear(32, 10)

        def forward(self, x):
            h = F.dropout(self.hidden(x).relu(), 0.5)
            return self.output(h)

    torch.manual_seed(0)
    model, loss = Net(), nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.output = nn.Linear(20, 32), nn.Linear(32, 10)

        def forward(self, x):
            h = F.dropout(self.hidden(x).relu(), 0.5, training=self.training)
            return self.output(h)

    torch.manual_seed(0)
    model, loss = Net(), nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    pytorch/pytorch, issue 124464: attention that drops in evaluation, https://github.com/pytorch/pytorch/issues/124464
    huggingface/pytorch-image-models, pull request 1978, https://github.com/huggingface/pytorch-image-models/pull/1978
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same
from bridle_audit.probe.passes import Pass
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Call as Written
from bridle_audit.static import Program
from bridle_audit.static.dataflow.stated import stated_number

SEVERITY = "error"
DROPOUT = "h = F.dropout(h, rate, training=self.training)"
ATTENTION = "F.scaled_dot_product_attention(q, k, v, dropout_p=rate if self.training else 0.0)"
MASK = "if self.training:\n    h = h * mask / (1 - rate)  # draw the mask in training mode only"
NOISE = "h = h + noise if self.training else h  # or, where it is on purpose, allow=['random-in-evaluation']"
HIDDEN = 1e-2  # share of the outputs that are zero in one pass and not in the other: a mask
FORGETFUL = [f"torch.nn.functional.dropout{axes}" for axes in ("", "1d", "2d", "3d")]  # training=True unless said


def probe(setup: Setup) -> Iterator[Finding]:
    """Two passes in evaluation mode that differ, and what they differ by first."""
    once, again = setup.evaluation, setup.evaluation_again
    if once is None or again is None or once.logits is None or again.logits is None:
        return
    if same(once.logits, again.logits):
        return
    dropping = [use for use in setup.uses_in_evaluation if use.drops]
    hidden = masked_share(*first_tensors(once, again))
    apart = distance(once.logits, again.logits)
    numbers = {"difference": apart}
    told = f"two passes over the same batch in evaluation mode differ by {apart:.0%} of the outputs' length"
    if dropping:
        first = dropping[0]
        cure = ATTENTION if "attention" in first.function else DROPOUT
        yield Finding(first.where, f"{told}: {first.function} drops {first.rate:.3g} here", cure, numbers)
        return
    where = first_difference(once, again) or "the model"
    if hidden > HIDDEN:
        yield Finding(where, f"{told}: {hidden:.0%} of what a mask lets through is zero in only one", MASK, numbers)
    else:
        yield Finding(where, f"{told}: something random is at work in it", NOISE, numbers, severity="note")


def first_difference(once: Pass, again: Pass) -> str:
    """The first module, in the order in which they end, that makes different outputs of the same input."""
    for left, right in zip(once.calls, again.calls, strict=False):
        if left.name != right.name:
            return ""
        if equal(left.input, right.input) and not equal(left.output, right.output):
            return left.name
    return ""


def first_tensors(once: Pass, again: Pass) -> tuple[Tensor | None, Tensor | None]:
    """What differs first, in both passes: what comes into a layer or out of it, or the outputs of the model."""
    for left, right in zip(once.leaves, again.leaves, strict=False):
        if left.name != right.name:
            break
        if not equal(left.input, right.input):
            return left.input, right.input
        if not equal(left.output, right.output):
            return left.output, right.output
    return once.logits, again.logits


def equal(left: Tensor | None, right: Tensor | None) -> bool:
    """Whether both hold the same numbers, or neither is a tensor."""
    return left is right if left is None or right is None else same(left, right)


def masked_share(left: Tensor | None, right: Tensor | None) -> float:
    """Which share is zero in one pass only, if all else is the same: a mask leaves that, and noise does not."""
    if left is None or right is None or left.shape != right.shape:
        return 0.0
    both = (left != 0) & (right != 0)
    if not both.any() or not torch.equal(left[both], right[both]):
        return 0.0
    return float(((left == 0) != (right == 0)).float().mean())


def distance(left: Tensor, right: Tensor) -> float:
    """How far apart two outputs are, over the length of the first."""
    if left.shape != right.shape:
        return 1.0
    return float((left - right).double().norm() / left.double().norm().clamp_min(torch.finfo(torch.double).tiny))


def read(program: Program) -> Iterator[Finding]:
    """Functions within a module that drop in every mode: nobody tells them which it is."""
    for call in program.calls(*FORGETFUL):
        if always_on(program, call) and not call.states(2, "training") and drops(call, 1, "p", 0.5):
            yield Finding(
                program.source(call.node),
                f"{call.name.rpartition('.')[2]} drops in evaluation mode too: training is True where nothing is said",
                DROPOUT,
                place=call.place,
            )
    for call in program.calls("torch.nn.functional.scaled_dot_product_attention"):
        if always_on(program, call) and drops(call, 4, "dropout_p", 0.0):
            yield Finding(
                program.source(call.node),
                "attention with such a dropout_p drops in evaluation mode too: it knows of no mode",
                ATTENTION,
                place=call.place,
            )


def always_on(program: Program, call: Written) -> bool:
    """Whether a call stands in the forward of a module, and nothing around it asks for the mode."""
    if call.open or call.function is None or call.function.name != "forward":
        return False
    around: ast.AST | None = call.node
    while around is not None and around is not call.function:
        if isinstance(around, ast.If | ast.IfExp | ast.BoolOp) and asks(program, around):
            return False
        around = program.parent(around)
    return not asks(program, call.function) and not switches(program, call)


def switches(program: Program, call: Written) -> bool:
    """Whether the class around a call changes something of its own with the mode."""
    around = program.class_of(call.node)
    methods = around.body if around is not None else []
    return any(isinstance(each, ast.FunctionDef) and each.name in ("train", "eval") for each in methods)


def drops(call: Written, position: int, keyword: str, default: float) -> bool:
    """Whether the rate of a call is above zero; one that the module holds, as ``self.rate``, counts as such."""
    rate, stated = stated_number(call, position, keyword, default), call.argument(position, keyword)
    return rate > 0 if rate is not None else isinstance(stated, ast.Attribute)


def asks(program: Program, node: ast.AST) -> bool:
    """Whether the text says anything of the mode."""
    return "training" in program.source(node)
