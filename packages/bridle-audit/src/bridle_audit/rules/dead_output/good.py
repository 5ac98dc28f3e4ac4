import torch
from torch import nn

import bridle


def network():
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 4))


torch.manual_seed(0)
model, loss = network(), nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 4
data = bridle.Data(x, y, x, y)
study = bridle.compare(data, ["none"], seeds=1, network=network, protocol=bridle.Protocol(epochs=1))
