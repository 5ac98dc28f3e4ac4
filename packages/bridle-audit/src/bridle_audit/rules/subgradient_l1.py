"""An L1 penalty in the loss makes weights small, and no weight zero.

What it finds:
    A sum of absolute weights that is added to a loss, or a recipe with L1 or ElasticNet, and no step that sets small
    weights to zero.

Why it hurts:
    It only does where zeros are what one is after: to choose features, or for a smaller network. A step moves a weight
    by the same amount towards zero, across it, and the next one moves it back. Of 190 weights of a linear model that
    have nothing to do with the targets, 0 are zero after 500 steps of SGD, and 0 with Adam; with soft thresholding
    behind every step, at the same strength, all 190 are.

Example:
    import torch
    from torch import nn

    import bridle

    model = nn.Linear(200, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y) + 0.05 * model.weight.abs().sum()
        loss.backward()
        optimizer.step()

    recipe = bridle.Recipe.of(bridle.L1(strength=0.05))

Use instead:
    import torch
    from torch import nn

    import bridle

    model = nn.Linear(200, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            w = model.weight
            w.copy_(w.sign() * (w.abs() - 0.01 * 0.05).clamp(min=0))

    recipe = bridle.Recipe.of(bridle.SoftThreshold(strength=0.05))

References:
    torch/optim, issue 41 and pull request 41 on L1, https://github.com/torch/optim/pull/41
    tf-keras, issue 16: L1 gives no exact zeros, https://github.com/keras-team/tf-keras/issues/16
    Beck and Teboulle, A Fast Iterative Shrinkage-Thresholding Algorithm, 2009, https://doi.org/10.1137/080716542
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridle.recipe import Recipe
from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import penalties_of

SEVERITY = "note"
CURE = "w.copy_(w.sign() * (w.abs() - lr * strength).clamp(min=0))  # without gradients, behind optimizer.step()"
ZEROING = re.compile(r"(?i)softshrink|hardshrink|soft_?thresh|prox|\.sign\(\)|torch\.sign\(|\bprun|masked_fill")
SMOOTH = ("L1", "ElasticNet")
EXACT = ("SoftThreshold", "GroupSoftThreshold")


def read(program: Program) -> Iterator[Finding]:
    """L1 penalties with a gradient, in files in which nothing sets weights to zero."""
    found = [each for each in penalties_of(program) if each.kind == "l1" and each.in_loss and each.detached is None]
    if ZEROING.search(program.text):
        return
    for penalty in found:
        yield Finding(
            penalty.source,
            "the gradient of this L1 penalty moves weights across zero and back: they become small, and none is "
            "exactly zero",
            CURE,
            place=penalty.place,
        )


def recipe(recipe: Recipe) -> Iterator[Finding]:
    """Recipes with L1 by its gradient."""
    names = [type(each).__name__ for each in recipe]
    for each in recipe:
        if type(each).__name__ in SMOOTH and not set(EXACT) & set(names):
            yield Finding(
                str(each),
                f"{type(each).__name__} acts by its gradient: weights become small, and none becomes exactly zero",
                "bridle.SoftThreshold(strength=...)  # the same penalty by proximal steps, if zeros are wanted",
            )
