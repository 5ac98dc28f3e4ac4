import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(20, 32, bias=False),
    nn.BatchNorm1d(32, momentum=0.01),
    nn.ReLU(),
    nn.Linear(32, 10),
)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 10
value = loss(model(x), y)
