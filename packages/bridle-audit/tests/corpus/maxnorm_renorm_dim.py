# Dropout with max-norm, as in the paper, on a permutation-invariant MNIST.
import torch
import torch.nn as nn
import torch.nn.functional as F

MAX_NORM = 3.0


class MaxNormMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 1024)
        self.fc2 = nn.Linear(1024, 1024)
        self.fc3 = nn.Linear(1024, 10)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = self.drop(F.relu(self.fc1(x.flatten(1))))
        x = F.relu(self.fc2(x))
        x = self.drop(x)  # or finds: stacked-dropout
        x = F.dropout(x, 0.2, training=self.training)  # finds: stacked-dropout
        return self.fc3(x)

    def constrain(self):
        with torch.no_grad():
            for layer in (self.fc1, self.fc2):
                layer.weight.copy_(torch.renorm(layer.weight, p=2, dim=1, maxnorm=MAX_NORM))  # finds: max-norm-wrong-axis


def train(model, loader, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.95)
    model.train()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            model.constrain()
