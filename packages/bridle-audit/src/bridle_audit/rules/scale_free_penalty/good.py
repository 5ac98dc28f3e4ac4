import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
loss = nn.CrossEntropyLoss()
penalty = lambda model: 1e-3 * model[3].weight.square().sum()
x, y = torch.randn(16, 20), torch.arange(16) % 10
