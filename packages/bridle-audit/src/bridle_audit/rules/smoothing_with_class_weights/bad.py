import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 10.0]), label_smoothing=0.1)
x, y = torch.randn(32, 20), torch.arange(32) % 2
value = loss(model(x), y)
