"""Every test begins with the same random numbers of torch, so that it passes, or fails, in any order and in any run."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Seed torch, as pytest-randomly seeds Python and NumPy."""
    torch.manual_seed(0)
