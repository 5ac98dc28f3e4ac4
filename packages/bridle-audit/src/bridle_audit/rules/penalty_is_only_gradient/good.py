import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head, self.spare = nn.Linear(20, 32), nn.Linear(32, 5), nn.Linear(32, 5)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))


torch.manual_seed(0)
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 5


def penalty(model):
    return 1e-4 * (model.body.weight.square().sum() + model.head.weight.square().sum())
