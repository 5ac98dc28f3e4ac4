# The lasso by proximal steps: soft thresholding after each step, so zeros are zeros.
import torch
from torch import nn


@torch.no_grad()
def soft_threshold(weight, amount):
    weight.copy_(weight.sign() * (weight.abs() - amount).clamp(min=0))


def lasso(x, y, strength=0.05, lr=0.01, steps=2000):
    model = nn.Linear(x.shape[1], 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = 0.5 * nn.functional.mse_loss(model(x).squeeze(1), y)
        loss.backward()
        optimizer.step()
        soft_threshold(model.weight, lr * strength)
    zeros = (model.weight == 0).sum().item()
    print(f"loss {loss.item():.4f}, {zeros} of {model.weight.numel()} weights are zero")
    return model
