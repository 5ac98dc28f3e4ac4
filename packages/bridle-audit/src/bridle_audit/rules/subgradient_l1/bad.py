import torch
from torch import nn

import bridle

model = nn.Linear(200, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)


def step(x, y):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y) + 0.05 * model.weight.abs().sum()
    loss.backward()
    optimizer.step()


recipe = bridle.Recipe.of(bridle.L1(strength=0.05))
