"""bridle finds, applies and explains the regularization a neural network needs."""

# Note [lazy names]
# torch takes a second to import and `bridle --help` must not wait for it: a public name is imported when first used.

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bridle.comparison import compare as compare
    from bridle.data import Data as Data
    from bridle.data import load as load
    from bridle.engine import train as train
    from bridle.networks import MLP as MLP
    from bridle.networks import linear as linear
    from bridle.networks import mlp as mlp
    from bridle.protocol import Protocol as Protocol
    from bridle.regularizers import CATALOG as CATALOG
    from bridle.regularizers import L2 as L2
    from bridle.regularizers import BatchNorm as BatchNorm
    from bridle.regularizers import Dropout as Dropout
    from bridle.regularizers import Recipe as Recipe
    from bridle.regularizers import WeightDecay as WeightDecay
    from bridle.results import Run as Run
    from bridle.results import Study as Study

HOMES = {
    "data": (
        "Data",
        "load",
    ),
    "engine": ("train",),
    "comparison": ("compare",),
    "networks": (
        "MLP",
        "linear",
        "mlp",
    ),
    "protocol": ("Protocol",),
    "regularizers": (
        "CATALOG",
        "L2",
        "BatchNorm",
        "Dropout",
        "Recipe",
        "WeightDecay",
    ),
    "results": (
        "Run",
        "Study",
    ),
}
HOME = {name: module for module, names in HOMES.items() for name in names}
__all__ = ["__version__", *HOME]  # noqa: PLE0604  (the table above is the list)


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module 'bridle' has no attribute {name!r}")
    return getattr(import_module(f"bridle.{HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
