"""The optimizer of a stack: torch's own, on the parameters of all blocks at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from bridle.engine.block import Block
from bridle.engine.value_names import Values
from bridle.protocol import BETAS, EPS, MOMENTUM, Protocol

__all__ = ["StackOptimizer"]


class StackOptimizer:
    """torch's update on stacked parameters: it is elementwise, so it serves every variant.

    One serves all blocks: to call it costs more than its update of a small block. It is called as a function: with the
    first object of ``torch.optim`` torch imports its compiler, which takes longer than many a training.
    """

    def __init__(self, blocks: Sequence[Block], protocol: Protocol) -> None:
        self.groups = [list(block.parameters.values()) for block in blocks]
        self.kept: dict[Tensor, dict[str, Tensor]] = defaultdict(dict)  # by parameter: what is kept of it, by kind
        self.momentum = MOMENTUM if protocol.optimizer == "momentum" else 0.0
        self.update = self.update_sgd if protocol.optimizer in ("sgd", "momentum") else self.update_adam

    @torch.no_grad()
    def step(self, rates: Sequence[float]) -> None:
        """Update all parameters from their gradients, those of each block at its learning rate."""
        for rate, groups in group_by_rate(rates, self.groups):
            given = [each for parameters in groups for each in parameters if each.grad is not None]
            if given:
                self.update(given, [each.grad for each in given if each.grad is not None], rate)

    def update_adam(self, parameters: list[Tensor], gradients: list[Tensor], rate: float) -> None:
        """Adam's update (Kingma and Ba, 2015)."""
        for each in parameters:
            if not self.kept[each]:
                self.kept[each]["step"] = torch.zeros((), dtype=torch.float32, device=each.device)
                self.kept[each]["exp_avg"] = torch.zeros_like(each)
                self.kept[each]["exp_avg_sq"] = torch.zeros_like(each)
        averages, squares, steps = (
            [self.kept[each][kind] for each in parameters] for kind in ("exp_avg", "exp_avg_sq", "step")
        )
        adam(
            parameters,
            gradients,
            averages,
            squares,
            [],
            steps,
            fused=True,
            lr=rate,
            amsgrad=False,
            maximize=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            eps=EPS,
            weight_decay=0.0,
        )

    def update_sgd(self, parameters: list[Tensor], gradients: list[Tensor], rate: float) -> None:
        """The update of gradient descent, with momentum or without."""
        buffers: list[Tensor | None] = [self.kept[each].get("momentum_buffer") for each in parameters]
        sgd(
            parameters,
            gradients,
            buffers,
            fused=True,
            lr=rate,
            momentum=self.momentum,
            weight_decay=0.0,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        for each, buffer in zip(parameters, buffers, strict=True):
            if buffer is not None:
                self.kept[each]["momentum_buffer"] = buffer

    def state(self, parameter: Tensor) -> dict[str, Tensor]:
        """Return what is kept for a parameter, by kind: the running averages, and the number of steps."""
        return self.kept[parameter]

    def restore(self, parameter: Tensor, kind: str, tensor: Tensor) -> None:
        """Put back what was kept for a parameter."""
        self.kept[parameter][kind] = tensor

    def moments(self, block: Block) -> dict[str, Values]:
        """Return the running averages of a block's parameters, by kind; none before the first step."""
        states = {name: self.state(parameter) for name, parameter in block.parameters.items()}
        kinds = [kind for kind in next(iter(states.values())) if kind != "step"]
        return {kind: {name: state[kind] for name, state in states.items()} for kind in kinds}

    def age(self) -> Tensor | None:
        """Return the number of steps that were made, where it is counted."""
        counts = [state["step"] for state in self.kept.values() if "step" in state]
        return counts[0] if counts else None

    def restore_moments(self, block: Block, moments: dict[str, Values], age: Tensor | None) -> None:
        """Put back a block's running averages, (seeds, recipes, *shape in a single network), and the age."""
        for kind, stacked in moments.items():
            for name, parameter in block.parameters.items():
                self.restore(parameter, kind, block.from_grid(name, stacked[name]))
        if age is not None:
            for parameter in block.parameters.values():
                self.restore(parameter, "step", age.clone())


def group_by_rate(rates: Sequence[float], groups: Sequence[list[Tensor]]) -> list[tuple[float, list[list[Tensor]]]]:
    """Return the blocks' parameters by learning rate: a call costs more than the update of a small block."""
    found: dict[float, list[list[Tensor]]] = {}
    for rate, parameters in zip(rates, groups, strict=True):
        found.setdefault(rate, []).append(parameters)
    return list(found.items())
