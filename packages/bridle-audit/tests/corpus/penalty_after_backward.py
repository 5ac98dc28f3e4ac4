# The penalty joins the loss when the gradient is already there.
import torch
import torch.nn as nn


def train(model, loader, epochs=5, lam=1e-3):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss_fn = nn.MSELoss()
    for epoch in range(epochs):
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            reg = sum((w**2).sum() for w in model.parameters() if w.dim() > 1)  # finds: penalty-never-added
            loss = loss + lam * reg  # or finds: penalty-never-added
            optimizer.step()
            total += loss.item()
        print(epoch, total / len(loader))


def build(features):
    return nn.Sequential(nn.Linear(features, 30), nn.Tanh(), nn.Linear(30, 1))
