"""Small real data sets, made once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from bridle.data import Data, load


@pytest.fixture(scope="session")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="session")
def diabetes() -> Data:
    x, y = load_diabetes(return_X_y=True)
    x = x / x.std(0)
    order = np.random.default_rng(0).permutation(len(x))
    train, valid, test = np.split(order, [260, 350])
    return Data(x[train], y[train], x[valid], y[valid], x[test], y[test], task="regression", name="diabetes")
