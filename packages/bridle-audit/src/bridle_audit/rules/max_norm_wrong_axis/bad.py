import torch
from torch import nn

layer = nn.Linear(400, 100)


def constrain(layer, limit=1.0):
    with torch.no_grad():
        norms = layer.weight.norm(2, dim=0, keepdim=True)
        layer.weight.mul_(norms.clamp(max=limit) / norms)
