"""timm, with which regularizers are compared, imported without torchvision.

timm imports torchvision, whose builds on PyPI are for a torch with CUDA and fail beside one without. Nothing that is
compared uses it: its names must only be there while timm's modules are read. So for that time, and no longer, the
modules of torchvision are stand-ins; libraries that look for it later must not find it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from needed import library

PARTS = ("data", "layers", "loss", "optim", "utils")


class Hollow(type):
    """A class that has every attribute but those that Python itself asks for: to derive from, or as an enumeration."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class Torchvision(MetaPathFinder, Loader):
    """Finds every module of torchvision and fills it with whatever classes are asked of it."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] == "torchvision" else None

    def exec_module(self, module: ModuleType) -> None:
        self.made.append(module.__name__)
        module.__dict__["__getattr__"] = self.name_in_a_module

    @staticmethod
    def name_in_a_module(name: str) -> Hollow:
        if name.startswith("__"):
            raise AttributeError(name)
        return Hollow(name, (), {})


@pytest.fixture(scope="session")
def timm() -> Any:
    """Import timm, with the parts that are compared."""
    torchvision = Torchvision()
    sys.meta_path.insert(0, torchvision)
    try:
        found = library("timm")
        for part in PARTS:
            import_module(f"timm.{part}")
    finally:
        sys.meta_path.remove(torchvision)
        for name in torchvision.made:
            del sys.modules[name]
    return found
