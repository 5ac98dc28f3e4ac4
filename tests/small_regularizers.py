"""Three regularizers that do little, as source text: a penalty, a change of weights, a layer.

``test_meta.py`` plants faults in them.
"""

IMPORTS = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
import torch
from torch import Tensor, addcmul, nn
from bridle.knobs import knob
from bridle.places import Layer, Loss, Weight
"""

CARD = '''
    """Does a little.

    Formula:
        as below

    Helps when:
        A check is checked.

    Hurts when:
        It is taken seriously.

    Example:
        >>> EXAMPLE

    Paper:
        None, 2000, https://example.org
    """
'''

COST = (
    '"""A penalty: the sum of squares."""'
    + IMPORTS
    + """
def cost_vanilla(w, *, strength):
    return strength * (w**2).sum(), 2 * strength * w


def cost(w: Tensor, *, strength) -> Tensor:
    return strength * w.square().sum()


def add_cost_gradient(g, w, *, strength, out=None):
    return addcmul(g, w, w.new_tensor(2.0) * strength, out=out)


@dataclass(frozen=True, repr=False)
class Cost(Loss):"""
    + CARD.replace("EXAMPLE", "Cost.vanilla(np.ones(2), strength=1.0)[1]\n        array([2., 2.])")
    + """
    strength: float = knob(0.01, "cost", off=0.0, open_high=True, log=True)
    vanilla = staticmethod(cost_vanilla)
    torch = staticmethod(cost)
    add_gradient = staticmethod(add_cost_gradient)
"""
)

SHRINK = (
    '"""A weight regularizer: every weight gets smaller."""'
    + IMPORTS
    + """
def shrink_vanilla(w, *, strength, lr):
    return w - lr * strength * w


def shrink(w: Tensor, *, strength, lr, out=None) -> Tensor:
    return torch.mul(w, 1 - lr * strength, out=out)


@dataclass(frozen=True, repr=False)
class Shrink(Weight):"""
    + CARD.replace("EXAMPLE", "Shrink.vanilla(np.ones(2), strength=1.0, lr=0.5)\n        array([0.5, 0.5])")
    + """
    strength: float = knob(0.01, "share", off=0.0, open_high=True, log=True)
    vanilla = staticmethod(shrink_vanilla)
    torch = staticmethod(shrink)
"""
)

GAIN = (
    '"""A layer: each unit has a gain, and remembers its mean."""'
    + IMPORTS
    + """
def gain_vanilla(h, weight, mean, *, momentum):
    new_mean = (1 - momentum) * mean + momentum * h.sum(0) / len(h)
    return h * weight, new_mean, lambda g: (g * weight, (g * h).sum(0))


def gain(h: Tensor, weight: Tensor, mean: Tensor, *, momentum):
    here = h.detach().mean(-2, keepdim=True).view_as(mean)
    return h * weight, mean + momentum * (here - mean)


@dataclass(frozen=True, repr=False)
class Gain(Layer):"""
    + CARD.replace("EXAMPLE", "Gain().momentum\n        0.1")
    + """
    momentum: float = knob(0.1, "weight of the newest", high=1.0)
    draws_noise: ClassVar[bool] = False
    parameters: ClassVar[dict[str, float]] = {"weight": 1.0}
    state: ClassVar[dict[str, float]] = {"mean": 0.0}
    before_activation: ClassVar[bool] = False
    vanilla = staticmethod(gain_vanilla)
    torch = staticmethod(gain)

    @staticmethod
    def evaluate(h, weight, mean, *, momentum):
        return h * weight

    def module(self, units, axes=2):
        return GainModule(units, axes, self.momentum)


class GainModule(nn.Module):
    def __init__(self, units, axes, momentum):
        super().__init__()
        self.each = (1, units, *[1] * (axes - 2))
        self.weight = nn.Parameter(torch.ones(units))
        self.register_buffer("mean", torch.zeros(units))
        self.momentum = momentum

    def forward(self, h):
        if self.training:
            self.mean += self.momentum * (h.detach().mean(0) - self.mean)
        return h * self.weight.view(self.each)
"""
)

PLACES = {"Cost": ("loss", COST), "Shrink": ("weight", SHRINK), "Gain": ("layer", GAIN)}
