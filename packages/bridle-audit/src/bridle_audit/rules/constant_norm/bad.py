import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 8, 5), nn.GroupNorm(8, 8), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4))
loss = nn.CrossEntropyLoss()
x, y = torch.randn(16, 3, 5, 5), torch.arange(16) % 4
value = loss(model(x), y)
