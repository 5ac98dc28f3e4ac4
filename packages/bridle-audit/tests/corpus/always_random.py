# A classifier of molecules' fingerprints whose dropout never rests; validated in the loop.
import torch
import torch.nn.functional as F
from torch import nn


class Fingerprints(nn.Module):
    def __init__(self, bits=2048):
        super().__init__()
        self.a = nn.Linear(bits, 300)
        self.n = nn.BatchNorm1d(300)
        self.b = nn.Linear(300, 2)

    def forward(self, x):
        x = F.relu(self.n(self.a(x)))
        x = F.dropout(x, p=0.5, training=True)  # finds: random-in-evaluation
        return self.b(x)


model = Fingerprints()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)


def run(train_loader, val_loader):
    for epoch in range(40):
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        hits = 0
        with torch.no_grad():  # or finds: validation-in-training-mode
            for x, y in val_loader:
                hits += (model(x).argmax(-1) == y).sum().item()  # finds: validation-in-training-mode
        print(epoch, hits)
