import torch
from torch import nn

torch.manual_seed(0)
hidden = nn.utils.parametrizations.weight_norm(nn.Linear(20, 32))
model = nn.Sequential(hidden, nn.ReLU(), nn.Linear(32, 5))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 5
