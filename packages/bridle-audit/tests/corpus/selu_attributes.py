# SELU as an attribute, with dropout behind it.
import torch
from torch import nn


class Credit(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.one = nn.Linear(n, 64)
        self.two = nn.Linear(64, 64)
        self.out = nn.Linear(64, 2)
        self.act = nn.SELU()  # or finds: selu-with-plain-dropout
        self.drop = nn.Dropout(0.2)  # finds: selu-with-plain-dropout

    def forward(self, x):
        x = self.drop(self.act(self.one(x)))  # or finds: selu-with-plain-dropout
        x = self.drop(self.act(self.two(x)))  # or finds: selu-with-plain-dropout
        return self.out(x)


def train(net, loader):
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    loss_fn = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 12.0]), label_smoothing=0.2)  # finds: smoothing-with-class-weights
    for x, y in loader:
        loss = loss_fn(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
