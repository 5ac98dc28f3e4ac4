import torch
from torch import nn

torch.manual_seed(0)
hidden = nn.utils.parametrizations.weight_norm(nn.Linear(20, 32))
model = nn.Sequential(hidden, nn.ReLU(), nn.Linear(32, 5))
directions = [p for name, p in model.named_parameters() if name.endswith("original1")]
others = [p for name, p in model.named_parameters() if not name.endswith("original1")]
groups = [{"params": others, "weight_decay": 1e-3}, {"params": directions, "weight_decay": 0.0}]
optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(16, 20), torch.arange(16) % 5
