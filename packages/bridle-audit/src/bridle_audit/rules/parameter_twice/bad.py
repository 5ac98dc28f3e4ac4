import warnings

import torch
from torch import nn

warnings.simplefilter("ignore")  # as one does
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
weights = [*model[0].parameters(), *model.parameters()]
optimizer = torch.optim.SGD(weights, lr=0.1)
