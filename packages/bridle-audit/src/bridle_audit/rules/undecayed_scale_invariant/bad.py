import torch
from torch import nn

import bridle

torch.manual_seed(0)
x, y = torch.randn(64, 8), torch.arange(64) % 4
model = nn.Sequential(nn.Linear(8, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
with bridle.watch(model, optimizer) as watcher:
    for step in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
