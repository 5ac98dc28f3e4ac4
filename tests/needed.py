"""What some tests need besides bridle: a library, a browser, real data.

Where checks count, in CI, what can be installed must be there: a test that skips itself would hide what it checks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import pytest

from repository import ROOT


def absent(reason: str) -> NoReturn:
    """Fail where checks count, and skip elsewhere."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def library(name: str) -> Any:
    """Import a library, or do without the tests that need it."""
    if find_spec(name) is None:
        absent(f"{name} is not installed; make installs it")
    return import_module(name)


def keras_on_torch() -> Any:
    """Import Keras with torch as its backend."""
    os.environ.setdefault("KERAS_BACKEND", "torch")  # it is read when the library is imported
    return library("keras")


@pytest.fixture(scope="session")
def transformers() -> Iterator[Any]:
    """Import transformers such that it asks nothing of the network."""
    with pytest.MonkeyPatch.context() as environment:  # it is read when the library is imported
        environment.setenv("HF_HUB_OFFLINE", "1")
        environment.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        yield library("transformers")


@pytest.fixture(scope="session")
def pl() -> Any:
    """Import Lightning."""
    return library("pytorch_lightning")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data, if there is one; nothing installs it, so its tests may be skipped in CI too."""
    named = os.environ.get("BRIDLE_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no folder of real data: neither BRIDLE_TEST_DATA nor ../shared/data")
    return folder
