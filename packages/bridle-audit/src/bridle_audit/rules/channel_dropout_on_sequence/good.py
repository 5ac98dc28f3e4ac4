import torch
from torch import nn


class FeatureDropout(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.drop = nn.Dropout1d(rate)

    def forward(self, x):
        return self.drop(x.transpose(1, 2)).transpose(1, 2)


torch.manual_seed(0)
model = nn.Sequential(
    nn.Embedding(50, 16),
    FeatureDropout(0.2),
    nn.Linear(16, 16),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(12 * 16, 4),
)
loss = nn.CrossEntropyLoss()
x, y = torch.randint(50, (16, 12)), torch.arange(16) % 4
value = loss(model(x), y)
