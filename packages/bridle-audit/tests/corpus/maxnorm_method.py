# Speech commands with max-norm as a method, and dropout in two places that meet.
import torch
from torch import nn


class Commands(nn.Module):
    def __init__(self, inputs=1600, classes=12):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(inputs, 512), nn.ReLU(), nn.Dropout(0.5))
        self.between = nn.Dropout(0.3)  # finds: stacked-dropout
        self.out = nn.Linear(512, classes)

    def forward(self, x):
        return self.out(self.between(self.hidden(x)))  # or finds: stacked-dropout

    def clip_weights(self, c=4.0):
        layer = self.hidden[0]
        layer.weight.data = torch.renorm(layer.weight.data, 2, 1, c)  # finds: max-norm-wrong-axis


def train(net, loader):
    opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    loss_fn = nn.CrossEntropyLoss()
    net.train()
    for x, y in loader:
        opt.zero_grad()
        loss_fn(net(x), y).backward()
        opt.step()
        net.clip_weights()
