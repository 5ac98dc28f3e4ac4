import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=5e-4)
criterion = nn.CrossEntropyLoss()
loss = criterion
penalty = lambda model: 1e-3 * (model[0].weight.square().sum() + model[2].weight.square().sum())
x, y = torch.randn(16, 20), torch.arange(16) % 10
l2 = sum(p.pow(2).sum() for n, p in model.named_parameters() if "weight" in n)
total = criterion(model(x), y) + 1e-3 * l2
total.backward()
optimizer.step()
