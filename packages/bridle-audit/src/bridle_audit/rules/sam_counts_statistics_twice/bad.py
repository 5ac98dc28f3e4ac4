import torch
from torch import nn

import bridle

torch.manual_seed(0)
x, y = torch.randn(64, 8), torch.randn(64, 1)
model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with bridle.watch(model, optimizer) as watcher:
    for step in range(10):
        nn.functional.mse_loss(model(x), y).backward()
        gradients = [each.grad.clone() for each in model.parameters()]
        with torch.no_grad():
            for each, gradient in zip(model.parameters(), gradients):
                each.add_(0.05 * gradient)
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        with torch.no_grad():
            for each, gradient in zip(model.parameters(), gradients):
                each.sub_(0.05 * gradient)
        optimizer.step()
        optimizer.zero_grad()
