"""Common to all tests: libraries are at hand, torch keeps to one thread, small regularizers can be had with a fault."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_regularizers import PLACES

from bridle.engine import precision
from bridle.recipe import Regularizer

pytest.register_assert_rewrite("card_checks", "steps")
pytest_plugins = ["needed", "seeds", "timm_import"]

torch.set_num_threads(1)  # the arrays are small; threads would only wait for each other


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bfloat16",
        choices=("on", "off", "auto"),
        default="auto",
        help='does precision="auto" take bfloat16 products (emulated where there are no units); auto: as it is here',
    )


def pytest_configure(config: pytest.Config) -> None:
    wanted = config.getoption("--bfloat16")
    if wanted != "auto":
        precision.has_bfloat16_units = lambda device: wanted == "on"


@pytest.fixture
def own_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the regularizers that a test defines at its end."""
    monkeypatch.setattr(Regularizer, "registry", dict(Regularizer.registry))


@pytest.fixture
def load(own_leaves: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that writes a regularizer to a file in its place's folder and imports it, for this test."""

    def from_source(name: str, right: str = "", fault: str = "") -> Any:
        place, source = PLACES[name]
        assert right in source, f"{right!r} is not in the source of {name}"
        path = tmp_path / place / f"{name.lower()}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source.replace(right, fault) if right else source)
        spec = importlib.util.spec_from_file_location(f"planted_{name.lower()}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return getattr(module, name)

    return from_source
