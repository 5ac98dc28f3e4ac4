# Penalties in a list, each bound to its layer by a default argument.
from functools import partial

import torch
from torch import nn


def ridge(layer, strength):
    return strength * layer.weight.pow(2).sum()


model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5))
penalties = []
for layer, strength in zip(model[::2], (1e-3, 1e-4, 1e-4)):
    penalties.append(lambda layer=layer, strength=strength: ridge(layer, strength))
penalties += [partial(ridge, layer, 1e-5) for layer in model if isinstance(layer, nn.Linear)]


def step(x, y, criterion, optimizer):
    optimizer.zero_grad()
    loss = criterion(model(x), y) + sum(penalty() for penalty in penalties)
    loss.backward()
    optimizer.step()
    return loss.item()


def main(x, y):
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for epoch in range(50):
        for rows in torch.randperm(len(x)).split(32):
            value = step(x[rows], y[rows], criterion, optimizer)
        print(epoch, value)
