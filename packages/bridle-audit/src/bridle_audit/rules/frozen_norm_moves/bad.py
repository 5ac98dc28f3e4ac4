import torch
from torch import nn

import bridle

torch.manual_seed(0)
x, y = 2 + torch.randn(64, 8), torch.randn(64, 1)
backbone = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU())
model = nn.Sequential(backbone, nn.Linear(32, 1))
backbone.requires_grad_(False)
optimizer = torch.optim.Adam(model[1].parameters())
with bridle.watch(model, optimizer) as watcher:
    model.train()
    for rows in torch.arange(64).split(16):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
        optimizer.step()
