import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 4))
averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(64, 20), torch.arange(64) % 4
steps = 1000
for step in range(steps):
    optimizer.zero_grad()
    loss(model(x), y).backward()
    optimizer.step()
    averaged.update_parameters(model)
