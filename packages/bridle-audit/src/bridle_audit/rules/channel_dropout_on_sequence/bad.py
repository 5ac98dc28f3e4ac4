import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Embedding(50, 16),
    nn.Dropout1d(0.2),
    nn.Linear(16, 16),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(12 * 16, 4),
)
loss = nn.CrossEntropyLoss()
x, y = torch.randint(50, (16, 12)), torch.arange(16) % 4
value = loss(model(x), y)
