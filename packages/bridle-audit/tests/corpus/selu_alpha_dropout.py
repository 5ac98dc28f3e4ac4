# SELU with the dropout that belongs to it.
import torch
from torch import nn


class SNN(nn.Module):
    def __init__(self, features, classes, width=256, depth=4, rate=0.05):
        super().__init__()
        sizes = [features] + [width] * depth
        layers = []
        for a, b in zip(sizes, sizes[1:]):
            layers += [nn.Linear(a, b), nn.SELU(), nn.AlphaDropout(rate)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.body(x))


def fit(x, y, x_val, y_val, epochs=100):
    model = SNN(x.shape[1], int(y.max()) + 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        for rows in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            criterion(model(x[rows]), y[rows]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(epoch, (model(x_val).argmax(1) == y_val).float().mean().item())
