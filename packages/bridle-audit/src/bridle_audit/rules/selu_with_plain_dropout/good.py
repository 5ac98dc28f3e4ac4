import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 64), nn.SELU(), nn.AlphaDropout(0.2), nn.Linear(64, 10))
loss = nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 10
value = loss(model(x), y)
