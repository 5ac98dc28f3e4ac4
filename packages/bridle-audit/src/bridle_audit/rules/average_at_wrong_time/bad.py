import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import bridle

torch.manual_seed(0)
x, y = torch.randn(64, 8), torch.randn(64, 1)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters())
averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
with bridle.watch(model, optimizer, averaged=averaged) as watcher:
    for step in range(10):
        for rows in torch.arange(64).split(16):
            nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
            averaged.update_parameters(model)
        optimizer.step()
        optimizer.zero_grad()
