"""The functions ``attach`` and ``attached``."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.optim import Optimizer

from bridle.attaching.assembly import Options
from bridle.attaching.handle import Handle
from bridle.attaching.handle_registry import handles_of
from bridle.attaching.loss_probing import LossFunction
from bridle.errors import InputError
from bridle.recipe import Recipe, Regularizer

__all__ = ["attach", "attached"]


def attach(
    model: nn.Module,
    optimizer: Optimizer,
    recipe: Recipe | Regularizer | str | None,
    *,
    loss: LossFunction | None = None,
    steps: int | None = None,
    example: object = None,
    seed: int | None = None,
    classes: int | None = None,
    features: Sequence[str] = (),
    task: str | None = None,
) -> Handle:
    """Attach a recipe to your own model, optimizer and loop, and return its handle, which also ends it.

    Layers of the recipe are inserted between those of the model; weight penalties, changes of gradients and weights,
    and averages happen in ``optimizer.step()``. The rest takes a call in your loop each, if the recipe needs it::

        handle = attach(model, optimizer, "Mixup + Dropout(rate=0.1) + RDrop + SAM + EMA + EarlyStopping", steps=1000)
        for x, y in loader:
            x, y = handle.batch(x, y)                          # batch transforms
            loss = criterion(model(x), y) + handle.penalty()   # penalties on activations and outputs
            loss.backward()
            handle.ascend(lambda: criterion(model(x), y) + handle.penalty())   # SAM, ASAM
            optimizer.step()
            optimizer.zero_grad()
        with handle.averaged():                                # averaged weights are in the model
            valid_loss = evaluate(model)
        if handle.stop(valid_loss):                            # early stopping
            break
        handle.finish()                                        # after the last epoch: the evaluated model

    or ``loss = handle.step(x, y)`` for all calls of a step. A missing call raises ``RuntimeError``; one that the recipe
    does not need does nothing.

    Everything that ``torch.compile`` has compiled in this process, other models included, is recompiled at its next
    call, now and when the recipe ends: programs compiled before do not call hooks registered later.

    Args:
        model: any ``nn.Module``, in place on its device; attach before wrapping it in ``DistributedDataParallel``.
        optimizer: of ``torch.optim``, on parameters of the model; make learning-rate schedules after attach.
        recipe: a recipe, a regularizer, or a text such as ``"L2(strength=0.001) + EMA"``.
        loss: ``loss(output, y)``, the mean over the batch; for :meth:`Handle.step` and adversarial examples.
        steps: optimizer steps of the whole training; for schedules, SWA and others that depend on it.
        example: a batch as the model takes it: a tensor, a tuple of arguments or a dictionary of named ones. One row of
            it shows the execution order of the model's layers; else they are taken in the order of the model's modules.
        seed: of the recipe's noise, the same as in bridle's engine, whatever else draws random numbers; None: torch's.
        classes: the number of classes of integer targets, if it is not the number of the model's outputs.
        features: names of a table's columns (``age``, ``sex=F``, ``sex=M``), which group those of one category.
        task: of the outputs, if the loss does not tell: "classification" (a softmax over classes),
            "multilabel" (a sigmoid of each output) or "regression".

    Raises ``ValueError`` if the recipe cannot act in this model or with this optimizer, or if one is attached already
    (:func:`attached` returns its handle); nothing is changed then.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> optimizer = torch.optim.Adam(model.parameters())
    >>> handle = attach(model, optimizer, "Dropout(rate=0.2) + L2(strength=0.001) + EMA", loss=nn.CrossEntropyLoss())
    >>> print(handle)
    Dropout(rate=0.2): on the input of 2
    L2(strength=0.001): on 0.weight, 2.weight
    EMA(decay=0.999): on all parameters
    >>> loss = handle.step(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))
    >>> print(handle.finish())
    Sequential(
      (0): Linear(in_features=3, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """
    options = Options(loss, steps, example, seed, classes, features, task)
    return Handle(getattr(model, "_orig_mod", model), optimizer, Recipe.of(recipe), options)


def attached(model: nn.Module) -> Handle | None:
    """Return the handle of the recipe attached to a model, to a part of it, or to a model that it is part of.

    For a handle that was lost, as when a cell of a notebook ran twice; ``None`` if no recipe is attached. For a wrapped
    model (``torch.compile``, ``DistributedDataParallel``) it is the handle of the model within. Raises ``ValueError``
    if ``model`` is not an ``nn.Module``.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Linear(3, 2)
    >>> handle = attach(model, torch.optim.Adam(model.parameters()), "L2")
    >>> attached(model) is handle
    True
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"attached takes the model, an nn.Module, got {type(model).__name__}")
    return next((handle for handle in handles_of(model) if isinstance(handle, Handle)), None)
