import torch
from torch import nn

model = nn.EmbeddingBag(1000, 16, sparse=True)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-4)
