# Land cover from satellite images, with weights for rare classes in the functional loss.
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    lr: float = 0.01
    epochs: int = 40
    label_smoothing: float = 0.1
    weight_decay: float = 1e-4


class LandNet(nn.Module):
    def __init__(self, bands=13, classes=10):
        super().__init__()
        self.c1 = nn.Conv2d(bands, 64, 3, padding=1, bias=False)
        self.b1 = nn.BatchNorm2d(64)
        self.c2 = nn.Conv2d(64, 128, 3, padding=1, bias=False)
        self.b2 = nn.BatchNorm2d(128)
        self.head = nn.Linear(128, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.b1(self.c1(x))), 2)
        x = F.relu(self.b2(self.c2(x)))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


def fit(config, loaders, class_weights):
    net = LandNet()
    optimizer = torch.optim.SGD(net.parameters(), lr=config.lr, momentum=0.9, weight_decay=config.weight_decay)
    for epoch in range(config.epochs):
        net.train()
        for x, y in loaders["train"]:
            loss = F.cross_entropy(net(x), y, weight=class_weights, label_smoothing=0.1)  # finds: smoothing-with-class-weights
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            losses = [F.cross_entropy(net(x), y, label_smoothing=0.1) for x, y in loaders["val"]]  # finds: smoothed-validation-loss
        print(epoch, torch.stack(losses).mean().item())
