import torch
from torch import nn

model = nn.Linear(20, 5)
groups = [{"params": [model.weight], "weight_decay": 2e-2}, {"params": [model.bias], "weight_decay": 0.0}]
optimizer = torch.optim.SGD(groups, lr=0.1)
criterion = nn.CrossEntropyLoss()


def step(x, y):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
