import torch
from torch import nn

import bridle

model = nn.Linear(200, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)


def step(x, y):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        w = model.weight
        w.copy_(w.sign() * (w.abs() - 0.01 * 0.05).clamp(min=0))


recipe = bridle.Recipe.of(bridle.SoftThreshold(strength=0.05))
