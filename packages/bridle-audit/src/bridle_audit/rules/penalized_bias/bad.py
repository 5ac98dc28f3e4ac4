import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 5))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 5


def penalty(model):
    return 1e-3 * sum(torch.norm(param) ** 2 for param in model.parameters())


def step():
    optimizer.zero_grad()
    value = loss(model(x), y) + penalty(model)
    value.backward()
    optimizer.step()
