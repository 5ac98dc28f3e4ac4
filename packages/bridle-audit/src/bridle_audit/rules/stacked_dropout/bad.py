import torch
from torch import nn

torch.manual_seed(0)
body = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.5))
head = nn.Sequential(nn.Dropout(0.5), nn.Linear(32, 10))
model = nn.Sequential(body, head)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 10
value = loss(model(x), y)
