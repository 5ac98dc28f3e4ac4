"""Checks of unusual parameters: uninitialized, sparse, sharded, complex or of low precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from bridle.attaching.parameter_buckets import ParametersWithGrad
from bridle.errors import InputError
from bridle.parameter_selection import Parameter, matching_parameters
from bridle.places.base import Placed
from bridle.recipe import Recipe, Regularizer
from bridle.regularizers import WeightDecay

__all__ = ["BY_GRADIENT", "check_dense_gradients", "check_initialized", "check_parameter_kinds", "padding_indices"]

BY_GRADIENT = ("layer", "loss", "gradient")  # who acts on parameters here reads their gradient, or changes it
ELSEWHERE = "choose other parameters by on="


def check_initialized(model: nn.Module, recipe: Recipe) -> None:
    """Raise ``ValueError`` for a model with parameters or buffers that are not initialized or cannot be trained."""
    for name, each in (*model.named_parameters(), *model.named_buffers()) if tuple(recipe) else ():
        for problem in uninitialized_reasons(each):
            layer = type(model.get_submodule(name.rpartition(".")[0])).__name__
            raise InputError(f"{recipe} cannot be attached yet: {name} of {layer} {problem}")


def uninitialized_reasons(value: Tensor) -> Iterator[str]:
    """Yield the reasons why nothing can act on a parameter or a buffer yet."""
    if is_lazy(value):
        yield "has no shape before the first pass: run a batch through the model, make the optimizer, then attach"
    elif value.is_meta:
        yield "is on the device meta and holds no numbers: load or initialize the model first (model.to_empty)"
    elif value.is_inference():
        yield "was made in torch.inference_mode, where nothing can be trained: make the model outside of it"


def check_parameter_kinds(
    recipe: Recipe, parameters: Mapping[Parameter, nn.Parameter], modules: Mapping[str, nn.Module]
) -> None:
    """Raise ``ValueError`` for a regularizer that cannot act on a parameter that it selects."""
    sparse = sparse_embeddings(modules)
    whole = not any(is_sharded(each) for each in parameters.values())
    for unit in recipe:
        learns = isinstance(unit, Placed) and bool(unit.parameters or unit.state)
        if not unit.on_parameters and not (learns and not whole):
            continue
        chosen = matching_parameters(unit, list(parameters)) if unit.on_parameters else list(parameters)
        for each in chosen:
            for problem in incompatibilities(unit, parameters[each], id(parameters[each]) in sparse):
                raise InputError(f"{unit!r} cannot act on {each.name} of {each.layer or 'the model'}, {problem}")


def incompatibilities(unit: Regularizer, parameter: nn.Parameter, sparse: bool) -> Iterator[str]:
    """Yield the reasons why a regularizer cannot act on a parameter."""
    if is_sharded(parameter):
        yield (
            f"which is a {type(parameter).__name__}, a piece of a parameter or another form of it: attach acts on "
            f"whole ones, as DistributedDataParallel keeps them; {ELSEWHERE}"
        )
    elif sparse and unit.on_parameters and unit.place in BY_GRADIENT:
        yield f"whose gradients are sparse: make it with sparse=False, or {ELSEWHERE}"
    elif parameter.is_complex() and not (isinstance(unit, WeightDecay) or unit.place == "average"):
        yield f"which is complex, and its formula is for real numbers: {ELSEWHERE}"
    elif parameter.is_floating_point() and parameter.dtype.itemsize < 2:
        yield f"which is of type {parameter.dtype}, too short to compute with: keep it in bfloat16, or {ELSEWHERE}"


def sparse_embeddings(modules: Mapping[str, nn.Module]) -> set[int]:
    """Return the ids of parameters with sparse gradients: those that only sparse embeddings use."""
    users: dict[int, list[bool]] = {}
    for part in modules.values():
        is_sparse = isinstance(part, nn.Embedding | nn.EmbeddingBag) and part.sparse
        for each in part.parameters(recurse=False):
            users.setdefault(id(each), []).append(is_sparse)
    return {whose for whose, sparse in users.items() if all(sparse)}


def padding_indices(modules: Mapping[str, nn.Module]) -> dict[int, int]:
    """Return the ``padding_idx`` of embeddings, by the id of their parameter."""
    users: dict[int, set[int | None]] = {}
    for part in modules.values():
        row = part.padding_idx if isinstance(part, nn.Embedding | nn.EmbeddingBag) else None
        for each in part.parameters(recurse=False):
            users.setdefault(id(each), set()).add(row)
    return {whose: row for whose, rows in users.items() if len(rows) == 1 and (row := next(iter(rows))) is not None}


def is_sharded(parameter: Tensor) -> bool:
    """Return True for a parameter of FSDP, a DTensor, or another tensor subclass whose values are not local."""
    own: Any = type(parameter).__torch_dispatch__
    return own is not Tensor.__torch_dispatch__ or bool(getattr(parameter, "_is_flat_param", False))


def check_dense_gradients(present: ParametersWithGrad, unit: Regularizer) -> None:
    """Raise ``ValueError`` for a sparse gradient."""
    for each, gradient in zip(present.parameters, present.gradients, strict=True):
        if gradient.layout != torch.strided:
            raise InputError(
                f"{unit!r} cannot act on {each.name}, whose gradients are sparse: look it up without sparse=True, or "
                f"{ELSEWHERE}"
            )
