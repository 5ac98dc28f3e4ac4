import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(20, 64),
    nn.ReLU(),
    nn.Dropout(0.5),
    nn.Linear(64, 64),
    nn.BatchNorm1d(64),
    nn.ReLU(),
    nn.Linear(64, 3),
)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(32, 20), torch.arange(32) % 3
value = loss(model(x), y)
