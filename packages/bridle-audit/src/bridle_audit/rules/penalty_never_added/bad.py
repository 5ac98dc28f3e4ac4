import torch
from torch import nn

model = nn.Linear(20, 5)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()


def step(x, y):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    penalty = 1e-3 * model.weight.square().sum()
    total = loss + penalty
    loss.backward()
    optimizer.step()
    return total.item()
