import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 4))
averaged = AveragedModel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(256, 20) + 1, torch.arange(256) % 4
for epoch in range(15):
    for rows in torch.randperm(256).split(64):
        optimizer.zero_grad()
        loss(model(x[rows]), y[rows]).backward()
        optimizer.step()
    averaged.update_parameters(model)
update_bn(x.split(64), averaged)
averaged.eval()
with torch.no_grad():
    accuracy = (averaged(x).argmax(1) == y).float().mean()
