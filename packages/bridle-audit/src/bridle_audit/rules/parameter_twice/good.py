import torch
from torch import nn

model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
weights = [*model[0].parameters(), *model[2].parameters()]
optimizer = torch.optim.SGD(weights, lr=0.1)
