import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 100))
model[2] = nn.Linear(32, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
