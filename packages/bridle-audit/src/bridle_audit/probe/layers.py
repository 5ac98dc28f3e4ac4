"""What a layer is: by its class where that is torch's, and by what it does where it is anybody's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bridle_audit.probe.copying import undisturbed

BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)
DROPOUTS = (nn.modules.dropout._DropoutNd,)
SMALL = 1e-14  # eps of a norm in double precision
SCALE = 3.0  # by which a norm's input is multiplied
UNCHANGED = 1e-3  # relative: a norm's eps is what is left


def unwrapped(model: nn.Module) -> nn.Module:
    """The module within ``torch.compile``, ``DistributedDataParallel`` and ``DataParallel``."""
    inner = getattr(model, "_orig_mod", model)
    if isinstance(inner, nn.parallel.DistributedDataParallel | nn.DataParallel):
        return unwrapped(inner.module)
    return inner


def without_eps(model: nn.Module) -> nn.Module:
    """The same, with an eps in its norms that double precision does not need to be larger."""
    for module in model.modules():
        for name in ("eps", "epsilon", "variance_epsilon"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, SMALL)
    return model


def drop_rate(module: nn.Module) -> float | None:
    """The share that a dropout-like module drops; None for any other module."""
    if isinstance(module, DROPOUTS):
        return float(module.p)
    if "drop" not in type(module).__name__.lower():
        return None
    rates = [getattr(module, name, None) for name in ("p", "drop_prob", "rate", "drop_rate")]
    return next((float(each) for each in rates if isinstance(each, int | float)), None)


def takes_no_scale(module: nn.Module, entered: Tensor | None) -> bool:
    """Whether a module with vectors for parameters gives the same when its input is multiplied: it normalizes."""
    held = list(module.parameters(recurse=False))
    if entered is None or not held or not entered.is_floating_point() or entered.abs().max() < 1e-3:
        return False
    if max(sum(size > 1 for size in each.shape) for each in held) > 1:
        return False
    try:
        with undisturbed(module), torch.no_grad():  # in training mode, running statistics would move
            once, scaled = module(entered), module(SCALE * entered)
    except Exception:  # it needs more than one argument
        return False
    if not isinstance(once, Tensor) or once.shape != entered.shape:
        return False
    return bool((once - scaled).norm() <= UNCHANGED * once.norm()) and bool(once.norm() > 0)
