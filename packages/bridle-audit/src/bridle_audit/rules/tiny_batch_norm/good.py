import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bridle

torch.manual_seed(0)
data = TensorDataset(torch.randn(34, 3, 8, 8), torch.randn(34, 1))
model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 1))
optimizer = torch.optim.Adam(model.parameters())
with bridle.watch(model, optimizer) as watcher:
    for x, y in DataLoader(data, batch_size=16, shuffle=True, drop_last=True):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
