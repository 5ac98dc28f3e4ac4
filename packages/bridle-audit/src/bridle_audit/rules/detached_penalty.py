"""The penalty has lost its gradient: it is added to the loss and moves nothing.

What it finds:
    A penalty of weights that reaches the loss as a bare number: it was computed with .item(), .data, .detach() or
    float(), within torch.no_grad(), or from a state_dict(). Measured, where the penalty is given: its value has no
    gradient.

Why it hurts:
    The loss that is printed goes up by the penalty, so that everything looks right, and the training is exactly the one
    without it: the weights after any number of steps are the same to the last bit.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 5

    def penalty(model):
        return 1e-3 * sum(p.square().sum().item() for p in model.parameters() if p.ndim > 1)

    def step():
        optimizer.zero_grad()
        value = loss(model(x), y) + penalty(model)
        value.backward()
        optimizer.step()

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 5

    def penalty(model):
        return 1e-3 * sum(p.square().sum() for p in model.parameters() if p.ndim > 1)

    def step():
        optimizer.zero_grad()
        value = loss(model(x), y) + penalty(model)
        value.backward()
        optimizer.step()

References:
    PyTorch, Autograd mechanics, locally disabling gradient computation, https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import penalties_of

SEVERITY = "error"
CURE = "penalty = strength * sum(p.square().sum() for p in model.parameters() if p.ndim > 1)  # a tensor with its graph"


def probe(setup: Setup) -> Iterator[Finding]:
    """A penalty that is a number and nothing else, though there is something to train."""
    value = setup.penalty_value
    trained = [each for each in setup.parameters.values() if each.requires_grad]
    if value is None or value.requires_grad or not trained:
        return
    yield Finding(
        "the penalty",
        f"its value is {value.sum().item():.4g} and has no gradient: it moves none of the {len(trained)} parameters",
        CURE,
        {"penalty": value.sum().item(), "parameters": len(trained)},
    )


def read(program: Program) -> Iterator[Finding]:
    """Penalties that reach a loss, cut off from their weights on every way."""
    for penalty in penalties_of(program):
        if penalty.detached is not None:
            yield Finding(
                penalty.source,
                f"{described(program, penalty.detached)} cuts the penalty off from its weights: it is added to the "
                "loss and has no gradient",
                CURE,
                place=penalty.place,
            )


def described(program: Program, cut: ast.AST) -> str:
    """What cuts it off, as it is written."""
    if isinstance(cut, ast.FunctionDef | ast.AsyncFunctionDef):
        return f"torch.no_grad() around {cut.name}()"
    if isinstance(cut, ast.With | ast.AsyncWith):
        return f"with {', '.join(program.source(each) for each in cut.items)}"
    if isinstance(cut, ast.Call) and isinstance(cut.func, ast.Attribute):
        return f".{cut.func.attr}()"
    return f".{cut.attr}" if isinstance(cut, ast.Attribute) else program.source(cut)
