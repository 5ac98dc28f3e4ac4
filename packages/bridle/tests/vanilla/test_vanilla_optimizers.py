"""Each optimizer against torch's of the same name."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from bridle.protocol import MOMENTUM
from bridle.vanilla.optimizers import OPTIMIZERS

TORCH: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda weights, lr: torch.optim.SGD(weights, lr=lr, momentum=MOMENTUM),
    "adam": torch.optim.Adam,
    "adamw": lambda weights, lr: torch.optim.AdamW(weights, lr=lr, weight_decay=0.0),
}


def test_every_optimizer_has_its_counterpart():
    assert OPTIMIZERS.keys() == TORCH.keys()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_takes_the_steps_of_torchs(name):
    random = np.random.default_rng(0)
    start = {"w": random.normal(size=(3, 2)), "b": random.normal(size=3)}
    ours = {key: w.copy() for key, w in start.items()}
    theirs = {key: torch.tensor(w, requires_grad=True) for key, w in start.items()}
    optimizer = OPTIMIZERS[name](ours)
    reference = TORCH[name](list(theirs.values()), lr=0.1)
    for step in range(10):
        lr = 0.1 / (step + 1)
        gradients = {key: random.normal(size=w.shape) * 10.0**-step for key, w in start.items()}
        for key, w in theirs.items():
            w.grad = torch.tensor(gradients[key])
        reference.param_groups[0]["lr"] = lr
        reference.step()
        optimizer.update(gradients, lr)
        for key, w in theirs.items():
            np.testing.assert_allclose(ours[key], w.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_weight_without_gradient_stays(name):
    weights = {"w": np.array([1.0, 2.0])}
    OPTIMIZERS[name](weights).update({"w": np.zeros(2)}, 0.1)
    assert weights["w"].tolist() == [1.0, 2.0]
