"""Recognition of layers: by class if that is torch's, by measured behaviour if it is anybody's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bridle_audit.probe.copying import state_restored

__all__ = ["BATCH_NORMS", "DROPOUTS", "UNCHANGED", "drop_rate", "ignores_input_scale", "shrink_eps", "unwrap"]

BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)
DROPOUTS = (nn.modules.dropout._DropoutNd,)
TINY_EPS = 1e-14  # eps of a norm in double precision
INPUT_SCALE = 3.0  # by which a norm's input is multiplied
UNCHANGED = 1e-3  # relative: a norm's eps is what is left


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module within ``torch.compile``, ``DistributedDataParallel`` and ``DataParallel``."""
    inner = getattr(model, "_orig_mod", model)
    if isinstance(inner, nn.parallel.DistributedDataParallel | nn.DataParallel):
        return unwrap(inner.module)
    return inner


def shrink_eps(model: nn.Module) -> nn.Module:
    """Set the eps of all norms in a model to one that suits double precision, and return the model."""
    for module in model.modules():
        for name in ("eps", "epsilon", "variance_epsilon"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, TINY_EPS)
    return model


def drop_rate(module: nn.Module) -> float | None:
    """Return the share that a dropout-like module drops; None for any other module."""
    if isinstance(module, DROPOUTS):
        return float(module.p)
    if "drop" not in type(module).__name__.lower():
        return None
    rates = [getattr(module, name, None) for name in ("p", "drop_prob", "rate", "drop_rate")]
    return next((float(each) for each in rates if isinstance(each, int | float)), None)


def ignores_input_scale(module: nn.Module, entered: Tensor | None) -> bool:
    """Return True if a module with vectors for parameters normalizes: a multiple of its input changes nothing."""
    held = list(module.parameters(recurse=False))
    if entered is None or not held or not entered.is_floating_point() or entered.abs().max() < 1e-3:
        return False
    if max(sum(size > 1 for size in each.shape) for each in held) > 1:
        return False
    try:
        with state_restored(module), torch.no_grad():  # in training mode, running statistics would move
            once, scaled = module(entered), module(INPUT_SCALE * entered)
    except Exception:  # it needs more than one argument
        return False
    if not isinstance(once, Tensor) or once.shape != entered.shape:
        return False
    return bool((once - scaled).norm() <= UNCHANGED * once.norm()) and bool(once.norm() > 0)
