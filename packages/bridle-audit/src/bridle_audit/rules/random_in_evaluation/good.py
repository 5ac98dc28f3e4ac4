import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.output = nn.Linear(20, 32), nn.Linear(32, 10)

    def forward(self, x):
        h = F.dropout(self.hidden(x).relu(), 0.5, training=self.training)
        return self.output(h)


torch.manual_seed(0)
model, loss = Net(), nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 10
value = loss(model(x), y)
