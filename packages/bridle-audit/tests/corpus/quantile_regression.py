# Quantiles with a loss of one's own; no dropout, no norm, so modes do not matter.
import torch
from torch import nn


def pinball(prediction, y, quantiles):
    error = y.unsqueeze(1) - prediction
    return torch.maximum(quantiles * error, (quantiles - 1) * error).mean()


def fit(x, y, x_test, y_test):
    quantiles = torch.tensor([0.1, 0.5, 0.9])
    net = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 3), nn.Softplus())
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    for step in range(2000):
        loss = pinball(net(x), y, quantiles)
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 500 == 0:
            with torch.no_grad():
                print(step, loss.item(), pinball(net(x_test), y_test, quantiles).item())
    l2 = sum(p.pow(2).sum() for p in net.parameters()).item()
    print("norm of all weights", l2**0.5)
    return net
