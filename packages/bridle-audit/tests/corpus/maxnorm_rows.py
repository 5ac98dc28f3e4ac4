# Dropout with max-norm over the incoming weights of a unit: rows in torch.
import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self, limit=3.0):
        super().__init__()
        self.limit = limit
        self.fc1 = nn.Linear(784, 1200)
        self.fc2 = nn.Linear(1200, 1200)
        self.out = nn.Linear(1200, 10)

    def forward(self, x):
        x = F.dropout(x.flatten(1), 0.2, self.training)
        x = F.dropout(F.relu(self.fc1(x)), 0.5, self.training)
        x = F.dropout(F.relu(self.fc2(x)), 0.5, self.training)
        return self.out(x)

    @torch.no_grad()
    def project(self):
        for layer in (self.fc1, self.fc2):
            norms = layer.weight.norm(2, dim=1, keepdim=True).clamp(min=self.limit / 2)
            layer.weight.mul_(norms.clamp(max=self.limit) / norms)
        self.out.weight.copy_(torch.renorm(self.out.weight, 2, 0, self.limit))


def train(model, loader, val_loader, epochs=50):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.95)
    for epoch in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            model.project()
        model.eval()
        with torch.no_grad():
            print(epoch, sum((model(x).argmax(1) != y).sum().item() for x, y in val_loader))
