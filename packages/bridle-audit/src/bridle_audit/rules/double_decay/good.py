import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=2.5e-3)
criterion = nn.CrossEntropyLoss()
loss = criterion
x, y = torch.randn(16, 20), torch.arange(16) % 10
total = criterion(model(x), y)
total.backward()
optimizer.step()
