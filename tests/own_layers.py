"""Layers of a user's own: with scales and biases of more than one axis, with a way around, and a parametrization."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayerNormRMS(nn.Module):
    """Divides by the size of the last axes, then scales and shifts."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.scale, self.beta = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(-self.scale.ndim, 0))
        return x * x.square().mean(axes, keepdim=True).add(1e-6).rsqrt() * self.scale + self.beta


class NormedLinear(nn.Module):
    """A linear layer whose weight has length 1: no norm, whatever its name."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))

    def forward(self, x: Tensor) -> Tensor:
        return x @ F.normalize(self.weight, dim=1).T


class Members(nn.Module):
    """The linear layers of several networks at once, (batch, members, inputs) -> (batch, members, outputs)."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, inputs, outputs) * 0.3)
        self.bias = nn.Parameter(torch.ones(members, outputs))
        self.gate = nn.Parameter(torch.ones(1, members, 1))
        self.r = nn.Parameter(torch.ones(members, inputs))

    def forward(self, x: Tensor) -> Tensor:
        return (torch.einsum("bki,kio->bko", x * self.r, self.weight) + self.bias) * self.gate


class Block(nn.Module):
    """Two convolutions, each with a norm, and what goes around them, as in a ResNet."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1, groups=2), nn.BatchNorm2d(channels)

    def branch(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.branch(x))


class Doubled(nn.Module):
    """A parametrization."""

    def forward(self, w: Tensor) -> Tensor:
        return 2 * w
