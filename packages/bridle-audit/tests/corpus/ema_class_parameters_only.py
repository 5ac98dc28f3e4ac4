# An average of the weights in a class of one's own, over parameters and not over buffers.
import copy

import torch
import torch.nn.functional as F
from torch import nn


class EMA:
    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.model = copy.deepcopy(model).eval()
        for p in self.model.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):  # or finds: average-without-buffers
        for ema_p, p in zip(self.model.parameters(), model.parameters()):  # finds: average-without-buffers
            ema_p.mul_(self.decay).add_(p, alpha=1 - self.decay)  # or finds: average-without-buffers


class PointNet(nn.Module):
    def __init__(self, classes=40):
        super().__init__()
        self.local = nn.Sequential(
            nn.Conv1d(3, 64, 1), nn.BatchNorm1d(64), nn.ReLU(), nn.Conv1d(64, 1024, 1), nn.BatchNorm1d(1024), nn.ReLU()
        )
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(1024, classes)

    def forward(self, points):
        return self.out(self.drop(self.local(points).max(dim=2).values))


def train(loader, val_loader, epochs=200):
    model = PointNet()
    ema = EMA(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        model.train()
        for points, shape in loader:
            loss = F.cross_entropy(model(points), shape)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ema.update(model)
        with torch.no_grad():
            hits = sum((ema.model(p).argmax(1) == s).sum().item() for p, s in val_loader)
        print(epoch, hits)
