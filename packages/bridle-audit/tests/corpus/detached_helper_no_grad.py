# Wine quality, with an elastic penalty that a helper computes.
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_wine
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(13, 32)
        self.out = nn.Linear(32, 3)
        self.drop = nn.Dropout(p=0.25)  # or finds: dropout-on-logits

    def forward(self, x):
        x = torch.tanh(self.hidden(x))
        x = self.out(x)
        return self.drop(x)  # finds: dropout-on-logits


@torch.no_grad()  # or finds: detached-penalty
def elastic(net, l1, l2):  # or finds: detached-penalty
    penalty = 0
    for layer in (net.hidden, net.out):
        penalty = penalty + l1 * layer.weight.abs().sum() + l2 * layer.weight.pow(2).sum()  # or finds: detached-penalty
    return penalty


def fit(net, x, y, epochs=200):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for epoch in range(epochs):
        net.train()
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y) + elastic(net, 1e-4, 1e-3)  # finds: detached-penalty
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


if __name__ == "__main__":
    data, target = load_wine(return_X_y=True)
    data = (data - data.mean(0)) / data.std(0)
    print(fit(Net(), torch.from_numpy(data.astype(np.float32)), torch.from_numpy(target)))
