"""Comparisons that take a moment, on data made here."""

from typing import Any

import numpy as np

from bridle import Data, Protocol, Study, mlp
from bridle.comparison import compare

SHORT = Protocol(epochs=2, lr=0.002, batch_size=16, precision="float32")
NETWORK = mlp(6)


def blobs(rows: int = 48, seed: int = 0) -> Data:
    """Two classes of points in the plane that overlap a little."""
    random = np.random.default_rng(seed)
    y = np.arange(3 * rows) % 2
    x = random.normal(size=(3 * rows, 2)) + 1.5 * y[:, None]
    return Data(*(part for k in range(3) for part in (x[k * rows :][:rows], y[k * rows :][:rows])), name="blobs")


def line() -> Data:
    """A regression without a test split."""
    x = np.linspace(-1, 1, 40)[:, None]
    return Data(x, 3 * x[:, 0] + 0.01, x[::3], 3 * x[::3, 0], name="line")


def small(**changes: Any) -> Study:
    """A comparison that takes a moment."""
    settings: dict[str, Any] = {
        "data": blobs(),
        "recipes": ["none", "Dropout(rate=0.5)"],
        "seeds": 2,
        "network": NETWORK,
    }
    return compare(**{**settings, "protocol": SHORT, "references": False, **changes})


def values(study: Study) -> list[Any]:
    """The scores alone, without times."""
    return [(each.name, each.scores, each.versus_baseline) for each in study.contenders]


def press_ctrl_c(*_given: Any, **_options: Any) -> None:
    """Whatever was asked for, Ctrl-C comes first."""
    raise KeyboardInterrupt
