import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(20, 5)
optimizer = torch.optim.SGD(model.parameters(), lr=0.016, weight_decay=0.000625)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 5
value = loss(model(x), y)
value.backward()
