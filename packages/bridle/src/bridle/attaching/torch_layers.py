"""A recipe's layers as torch's own modules, for a model without bridle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bridle.attaching.folding import affine_of, is_affine, keywords
from bridle.attaching.layers import InsertedLayer
from bridle.errors import InputError
from bridle.eval_mode import eval_mode
from bridle.places.module import LayerModule
from bridle.regularizers import BatchNorm

__all__ = ["as_torch_module", "can_fuse", "fused_module", "refresh_numbers"]

LENGTHS = (5, 4, 3, 2, 2)  # of the axes of what a layer is tried on
AXIS_MOVES = (None, (1, -1), (-1, 1))  # as it is, or the units moved to where torch's layer looks for them
CLOSE = 1e-4
FUNCTIONS: dict[Any, Any] = {
    nn.Linear.forward: F.linear,
    nn.Conv1d.forward: F.conv1d,
    nn.Conv2d.forward: F.conv2d,
    nn.Conv3d.forward: F.conv3d,
}


def as_torch_module(each: InsertedLayer, ndims: Sequence[int]) -> nn.Module:
    """Return a torch module that evaluates as the layer does, for activations with these numbers of dimensions.

    The module, and the axis of its units, are found out by trying. ``ValueError`` if there is none.
    """
    if not isinstance(each.module, LayerModule):
        return each.module
    for made in candidates(each, max(ndims)):
        if all(evaluates_alike(each.module, made, each_ndim) for each_ndim in ndims):
            return made.train(each.module.training)
    raise InputError(
        f"{each.layer_at_site.layer!r} at {each.part} has no equal among torch's layers, which the finished model is "
        f"made of; with attach(..., example=a batch) there may be one, else put the layer into the model yourself"
    )


def candidates(each: InsertedLayer, ndim: int) -> Iterator[nn.Module]:
    """Yield torch modules that may be equivalent to a layer."""
    source = each.module
    layer, numbers = each.layer_at_site.layer, {k: v for k, v in keywords(each).items() if not isinstance(v, str)}
    units = len(next(source.parameters(), next(source.buffers(), torch.zeros(0))))
    makers = [replace(layer, **numbers)]
    if is_affine(type(layer)):
        makers = [BatchNorm(eps=numbers.get("eps", BatchNorm().numbers()["eps"]))]
    for maker in makers:
        for ndim_made in dict.fromkeys((ndim, 2)):
            for move in AXIS_MOVES:
                module = maker.make_module(units, ndim_made)
                if not isinstance(module, LayerModule):
                    copy_numbers(module, each)
                    yield module if move is None else on_moved_axis(module, *move)


@torch.no_grad()
def copy_numbers(module: nn.Module, each: InsertedLayer) -> None:
    """Copy a layer's parameters and buffers to a torch module."""
    like: Any = next(each.module.parameters(), next(each.module.buffers(), None))
    if like is not None:
        module.to(like.device, like.dtype)
    values = {**dict(each.module.named_parameters()), **dict(each.module.named_buffers())}
    names = [name for name, _ in (*module.named_parameters(), *module.named_buffers()) if name != "num_batches_tracked"]
    if is_affine(type(each.layer_at_site.layer)) and not set(names) <= set(values):
        scale, shift = affine_of(each)
        assert isinstance(module, _BatchNorm)  # as candidates makes for affine layers
        root = (1.0 + module.eps) ** 0.5  # of the variance of 1 that it starts with
        values = {**{name: value for name, value in module.named_buffers()}, "weight": scale * root, "bias": shift}
    for name in names:
        tensor: Tensor = getattr(module, name)
        tensor.copy_(values[name])
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(bool(getattr(values[name], "requires_grad", True)))


def refresh_numbers(made: nn.Module, each: InsertedLayer) -> None:
    """Copy the layer's current parameters and buffers to what :func:`as_torch_module` returned."""
    if made is not each.module:
        module: Any = made.norm if isinstance(made, fx.GraphModule) else made
        copy_numbers(module, each)


def on_moved_axis(module: nn.Module, source: int, destination: int) -> nn.Module:
    """Wrap a module between two ``movedim`` calls, as an fx.GraphModule."""
    graph = fx.Graph()
    h = graph.placeholder("h")
    moved = graph.call_method("movedim", (h, source, destination))
    graph.output(graph.call_method("movedim", (graph.call_module("norm", (moved,)), destination, source)))
    return fx.GraphModule({"norm": module}, graph, "OnAnotherAxis")


def can_fuse(part: nn.Module) -> bool:
    """Return True if :func:`fused_module` supports a module."""
    return type(part).forward in FUNCTIONS and getattr(part, "padding_mode", "zeros") == "zeros"


def fused_module(part: Any, others: Sequence[tuple[str, nn.Module]], *, in_front: bool) -> nn.Module:
    """Return one module of a module and layers before or after it, which keeps the weight's and bias's names."""
    graph = fx.Graph()
    h = graph.placeholder("input")
    root: dict[str, Any] = {**dict(others), "weight": part.weight}
    for name, _ in others if in_front else ():
        h = graph.call_module(name, (h,))
    weight, bias = graph.get_attr("weight"), None
    if part.bias is not None:
        root["bias"], bias = part.bias, graph.get_attr("bias")
    more = () if isinstance(part, nn.Linear) else (part.stride, part.padding, part.dilation, part.groups)
    h = graph.call_function(FUNCTIONS[type(part).forward], (h, weight, bias, *more))
    for name, _ in () if in_front else others:
        h = graph.call_module(name, (h,))
    graph.output(h)
    made = fx.GraphModule(root, graph, type(part).__name__)
    for name, value in vars(part).items():
        if not name.startswith("_"):
            setattr(made, name, value)
    return made


@torch.no_grad()
def evaluates_alike(module: LayerModule, made: nn.Module, ndim: int) -> bool:
    """Return True if two layers give equal outputs on random activations with so many dimensions."""
    units = len(next(iter(module.parameters()), next(iter(module.buffers()), torch.zeros(1))))
    shape = list(LENGTHS[:ndim])
    shape[-1 if module.last else 1] = units
    like: Any = next(module.parameters(), next(module.buffers(), torch.zeros(0)))
    random = torch.Generator().manual_seed(0)
    h = torch.randn(shape, generator=random).to(like.device, like.dtype)
    try:
        with eval_mode(module, made):
            return torch.allclose(module(h), made(h), rtol=CLOSE, atol=CLOSE)
    except (RuntimeError, ValueError):
        return False
