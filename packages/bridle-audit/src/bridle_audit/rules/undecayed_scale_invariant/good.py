import torch
from torch import nn

import bridle

torch.manual_seed(0)
x, y = torch.randn(64, 8), torch.arange(64) % 4
model = nn.Sequential(nn.Linear(8, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))
matrices = [each for each in model.parameters() if each.ndim > 1]
others = [each for each in model.parameters() if each.ndim < 2]
groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=0.02)
with bridle.watch(model, optimizer) as watcher:
    for step in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
