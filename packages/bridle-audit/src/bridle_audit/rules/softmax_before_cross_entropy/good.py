import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
loss = nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 10
value = loss(model(x), y)
probabilities = model(x).softmax(dim=1)  # where they are wanted, outside of the loss
