"""Small real data sets, made once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from bridle.data import Data, load


@pytest.fixture(scope="session")
def digits() -> Data:
    """Return scikit-learn's digits."""
    return load("digits")


@pytest.fixture(scope="session")
def images(digits: Data) -> Data:
    """Return the digits as images of 8 x 8 pixels."""
    splits = digits.splits().values()
    arrays = [array for x, y in splits for array in (x.reshape(-1, 8, 8), y)]
    return Data(*arrays, name="images")


@pytest.fixture(scope="session")
def diabetes() -> Data:
    """Return scikit-learn's diabetes, a regression."""
    x, y = load_diabetes(return_X_y=True)
    x = x / x.std(0)
    order = np.random.default_rng(0).permutation(len(x))
    train, valid, test = np.split(order, [260, 350])
    return Data(x[train], y[train], x[valid], y[valid], x[test], y[test], task="regression", name="diabetes")
