"""The optimizer of a stack: torch's own, on the parameters of all blocks at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.engine.block import Block
from bridle.engine.value_names import Values
from bridle.protocol import BETAS, EPS, MOMENTUM, Protocol

__all__ = ["StackOptimizer"]


class StackOptimizer:
    """torch's optimizer on stacked parameters: its update is elementwise, so it serves every variant.

    One serves all blocks: to call it costs more than its update of a small block.
    """

    def __init__(self, blocks: Sequence[Block], protocol: Protocol) -> None:
        groups = [{"params": list(block.parameters.values())} for block in blocks]
        lr = protocol.learning_rate(0, 1)  # every step sets its own
        self.optimizer: torch.optim.Optimizer
        if protocol.optimizer in ("sgd", "momentum"):
            momentum = MOMENTUM if protocol.optimizer == "momentum" else 0.0
            self.optimizer = torch.optim.SGD(groups, lr=lr, momentum=momentum, fused=True)
        else:
            self.optimizer = torch.optim.Adam(groups, lr=lr, betas=BETAS, eps=EPS, fused=True)

    def step(self, rates: Sequence[float]) -> None:
        """Update all parameters from their gradients, those of each block at its learning rate."""
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.optimizer.step()

    def state(self, parameter: Tensor) -> dict[str, Tensor]:
        """Return what is kept for a parameter, by kind: the running averages, and the number of steps."""
        kept: dict[str, Tensor | None] = self.optimizer.state[parameter]
        return {kind: tensor for kind, tensor in kept.items() if tensor is not None}

    def restore(self, parameter: Tensor, kind: str, tensor: Tensor) -> None:
        """Put back what was kept for a parameter."""
        self.optimizer.state[parameter][kind] = tensor

    def moments(self, block: Block) -> dict[str, Values]:
        """Return the running averages of a block's parameters, by kind; none before the first step."""
        states = {name: self.state(parameter) for name, parameter in block.parameters.items()}
        kinds = [kind for kind in next(iter(states.values())) if kind != "step"]
        return {kind: {name: state[kind] for name, state in states.items()} for kind in kinds}

    def age(self) -> Tensor | None:
        """Return the number of steps that were made, where it is counted."""
        counts = [state["step"] for state in self.optimizer.state.values() if "step" in state]
        return counts[0] if counts else None

    def restore_moments(self, block: Block, moments: dict[str, Values], age: Tensor | None) -> None:
        """Put back a block's running averages, (seeds, recipes, *shape in a single network), and the age."""
        for kind, stacked in moments.items():
            for name, parameter in block.parameters.items():
                self.restore(parameter, kind, block.from_grid(name, stacked[name]))
        if age is not None:
            for parameter in block.parameters.values():
                self.restore(parameter, "step", age.clone())
