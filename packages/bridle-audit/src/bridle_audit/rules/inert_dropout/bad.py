import torch
from torch import nn

import bridle


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.drop, self.output = nn.Linear(8, 32), nn.Dropout(0.5), nn.Linear(32, 1)

    def forward(self, x):
        return self.output(torch.relu(self.hidden(x)))


torch.manual_seed(0)
x, y = torch.randn(64, 8), torch.randn(64, 1)
model = Network()
optimizer = torch.optim.Adam(model.parameters())
with bridle.watch(model, optimizer) as watcher:
    for step in range(5):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
