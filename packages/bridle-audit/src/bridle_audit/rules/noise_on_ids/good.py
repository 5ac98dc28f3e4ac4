import torch
from torch import nn

torch.manual_seed(0)
embedding, output = nn.Embedding(1000, 16), nn.Linear(16, 2)
ids, y = torch.randint(1000, (32, 8)), torch.randint(2, (32,))
share, other = 0.7, torch.randperm(32)
vectors = embedding(ids)
mixed = share * vectors + (1 - share) * vectors[other]
logits = output(mixed.mean(1))
