# Tox21 with SELU as a function; half of it still has ReLU's dropout, and batch norm remembers one batch.
import torch
import torch.nn as nn
import torch.nn.functional as F


class ToxNet(nn.Module):
    def __init__(self, features=801, targets=12, p=0.05):
        super().__init__()
        self.p = p
        self.norm = nn.BatchNorm1d(features, momentum=0.95)  # finds: batch-norm-momentum
        self.fc1 = nn.Linear(features, 512)
        self.fc2 = nn.Linear(512, 512)
        self.out = nn.Linear(512, targets)

    def forward(self, x):
        x = F.selu(self.fc1(self.norm(x)))  # or finds: selu-with-plain-dropout
        x = F.dropout(x, self.p, training=self.training)  # finds: selu-with-plain-dropout
        x = F.selu(self.fc2(x))
        return self.out(x)


def train(loader, val_loader, epochs=30):
    net = ToxNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    for epoch in range(epochs):
        net.train()
        for x, y in loader:
            loss = F.binary_cross_entropy_with_logits(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            losses = [F.binary_cross_entropy_with_logits(net(x), y).item() for x, y in val_loader]
        print(epoch, sum(losses) / len(losses))
