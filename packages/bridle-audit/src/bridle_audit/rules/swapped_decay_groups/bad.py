import torch
from torch import nn

model = nn.Sequential(nn.Linear(20, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 10))
no_decay = ["bias", "1.weight"]
named = list(model.named_parameters())
groups = [
    {"params": [p for n, p in named if any(nd in n for nd in no_decay)], "weight_decay": 0.1},
    {"params": [p for n, p in named if not any(nd in n for nd in no_decay)], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=1e-3)
