import torch
from torch import nn

model = nn.Sequential(nn.Linear(20, 32), nn.RMSNorm(32), nn.ReLU(), nn.Linear(32, 10))
groups = [
    {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
    {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=1e-3)
