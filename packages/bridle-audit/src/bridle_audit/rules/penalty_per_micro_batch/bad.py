import torch
from torch import nn

accumulation = 4
model = nn.Linear(20, 5)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()


def train(batches):
    for i, (x, y) in enumerate(batches):
        loss = criterion(model(x), y) / accumulation + 0.05 * model.weight.square().sum()
        loss.backward()
        if (i + 1) % accumulation == 0:
            optimizer.step()
            optimizer.zero_grad()
