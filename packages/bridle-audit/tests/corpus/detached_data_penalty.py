# Softmax regression with a penalty of weights that are taken out of the graph.
import torch
import torch.nn.functional as F
from torch import nn


def fit(x, y, classes, lam=0.01, epochs=50):
    model = nn.Linear(x.shape[1], classes)
    opt = torch.optim.SGD(model.parameters(), lr=0.01, weight_decay=5e-4)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(100):
            loss = F.cross_entropy(model(x[rows]), y[rows], reduction="sum")  # finds: sum-reduced-loss
            sparsity = model.weight.data.abs().mean()  # finds: detached-penalty
            total = loss + lam * sparsity  # or finds: detached-penalty
            opt.zero_grad()
            total.backward()
            opt.step()
    return model
