import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
loss = nn.CrossEntropyLoss(label_smoothing=0.1)
x, labels = torch.randn(32, 20), torch.arange(32) % 10
y = F.one_hot(labels, 10) * (1 - 0.1) + 0.1 / 10
value = loss(model(x), y)
