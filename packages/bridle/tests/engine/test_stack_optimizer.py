"""The optimizer of a stack is torch's own, without the compiler that comes with torch's objects."""

import subprocess
import sys
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from bridle import Protocol
from bridle.engine.stack_optimizer import StackOptimizer
from bridle.protocol import BETAS, EPS, MOMENTUM

THEIRS: dict[str, Any] = {
    "adam": lambda groups: torch.optim.Adam(groups, betas=BETAS, eps=EPS, fused=True),
    "adamw": lambda groups: torch.optim.Adam(groups, betas=BETAS, eps=EPS, fused=True),  # its decay is a regularizer's
    "sgd": lambda groups: torch.optim.SGD(groups, fused=True),
    "momentum": lambda groups: torch.optim.SGD(groups, momentum=MOMENTUM, fused=True),
}


def parameters() -> list[list[Tensor]]:
    draws = torch.Generator().manual_seed(0)
    shapes: list[list[tuple[int, ...]]] = [[(2, 3, 4), (2, 3)], [(5,)]]
    return [[torch.randn(shape, generator=draws).requires_grad_() for shape in block] for block in shapes]


@pytest.mark.parametrize("name", THEIRS)
def test_it_does_bit_for_bit_what_torchs_does(name: str) -> None:
    ours, theirs = parameters(), parameters()
    blocks: Any = [SimpleNamespace(parameters=dict(enumerate(block))) for block in ours]
    optimizer = StackOptimizer(blocks, Protocol(name))
    reference = THEIRS[name]([{"params": block} for block in theirs])
    draws = torch.Generator().manual_seed(1)
    for step in range(5):
        rates = [0.1 / (step + 1), 0.03]
        for group, rate in zip(reference.param_groups, rates, strict=True):
            group["lr"] = rate
        for own, their in zip(chain(*ours), chain(*theirs), strict=True):
            without = step < 2 and own.ndim == 1  # a gradient that comes later
            own.grad = None if without else torch.randn(own.shape, generator=draws)
            their.grad = own.grad
        optimizer.step(rates)
        reference.step()
    for own, their in zip(chain(*ours), chain(*theirs), strict=True):
        assert torch.equal(own, their)
        kept = {kind: each for kind, each in reference.state[their].items() if each is not None}
        assert {kind: each.tolist() for kind, each in optimizer.state(own).items()} == {
            kind: each.tolist() for kind, each in kept.items()
        }


def test_a_perceptron_is_trained_without_torchs_compiler() -> None:
    code = (
        "import sys; from bridle import Data, mlp, Protocol, train\n"
        "data = Data([[0.0], [1.0]] * 9, [0, 1] * 9, [[0.0], [1.0]], [0, 1])\n"
        "train(data, 'BatchNorm() + L2', mlp(2), Protocol(epochs=1))\n"
        "print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
