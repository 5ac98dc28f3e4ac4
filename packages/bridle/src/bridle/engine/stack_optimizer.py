"""The optimizer of a stack: torch's own, on the parameters of all blocks at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from bridle.engine.block import Block
from bridle.engine.value_names import Values
from bridle.protocol import BETAS, EPS, MOMENTUM, Protocol

__all__ = ["StackOptimizer"]

KEPT = {"adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq"), "momentum": ("momentum_buffer",)}


class StackOptimizer:
    """torch's update on stacked parameters: it is elementwise, so it serves every variant.

    One call serves all blocks of one learning rate: to make it costs more than the update of a small block. The
    functions behind ``torch.optim`` are called because its classes import torch's compiler, which takes a second.
    """

    def __init__(self, blocks: Sequence[Block], protocol: Protocol) -> None:
        self.blocks, self.momentum = blocks, MOMENTUM if protocol.optimizer == "momentum" else 0.0
        self.adaptive = protocol.optimizer in ("adam", "adamw")
        self.kinds = KEPT.get(protocol.optimizer, ())
        parameters = [parameter for block in blocks for parameter in block.parameters.values()]
        self.states = {parameter: self.first_state(parameter) for parameter in parameters}

    def first_state(self, parameter: Tensor) -> dict[str, Tensor]:
        """Return what is kept for a parameter, by kind, before the first step."""
        kept = {kind: torch.zeros_like(parameter, requires_grad=False) for kind in self.kinds}
        return {**kept, "step": torch.zeros((), device=parameter.device)} if self.adaptive else kept

    @torch.no_grad()
    def step(self, rates: Sequence[float]) -> None:
        """Update all parameters from their gradients, those of each block at its learning rate."""
        by_rate: dict[float, list[Tensor]] = {}
        for block, rate in zip(self.blocks, rates, strict=True):
            by_rate.setdefault(rate, []).extend(block.parameters.values())
        for rate, parameters in by_rate.items():
            self.update(parameters, rate)

    def update(self, parameters: list[Tensor], rate: float) -> None:
        """Update parameters from their gradients."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.adaptive:
            adam(
                parameters,
                gradients,
                self.kept(parameters, "exp_avg"),
                self.kept(parameters, "exp_avg_sq"),
                [],
                self.kept(parameters, "step"),
                fused=True,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=rate,
                weight_decay=0.0,
                eps=EPS,
                maximize=False,
            )
        else:
            sgd(
                parameters,
                gradients,
                [self.states[parameter].get("momentum_buffer") for parameter in parameters],
                fused=True,
                weight_decay=0.0,
                momentum=self.momentum,
                lr=rate,
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )

    def kept(self, parameters: Iterable[Tensor], kind: str) -> list[Tensor]:
        """Return what is kept of one kind for each parameter."""
        return [self.states[parameter][kind] for parameter in parameters]

    def state(self, parameter: Tensor) -> dict[str, Tensor]:
        """Return what is kept for a parameter, by kind: the running averages, and the number of steps."""
        return self.states[parameter]

    def restore(self, parameter: Tensor, kind: str, tensor: Tensor) -> None:
        """Put back what was kept for a parameter."""
        self.states[parameter][kind] = tensor

    def moments(self, block: Block) -> dict[str, Values]:
        """Return the running averages of a block's parameters, by kind."""
        return {
            kind: {name: self.states[parameter][kind] for name, parameter in block.parameters.items()}
            for kind in self.kinds
        }

    def age(self) -> Tensor | None:
        """Return the number of steps that were made, where it is counted."""
        return next(iter(self.states.values()))["step"] if self.adaptive else None

    def restore_moments(self, block: Block, moments: dict[str, Values], age: Tensor | None) -> None:
        """Put back a block's running averages, (seeds, recipes, *shape in a single network), and the age."""
        for kind, stacked in moments.items():
            for name, parameter in block.parameters.items():
                self.restore(parameter, kind, block.from_grid(name, stacked[name]))
        if age is not None:
            for parameter in block.parameters.values():
                self.restore(parameter, "step", age.clone())
