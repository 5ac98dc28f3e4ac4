import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 50, bias=False))
model[3].weight = model[0].weight
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss = nn.CrossEntropyLoss()
x, y = torch.randint(0, 50, (16,)), torch.randint(0, 50, (16,))


def penalty(model):
    return 1e-3 * sum(p.square().sum() for p in model.parameters() if p.ndim > 1)
