# Adam with decoupled decay by its own argument.
import torch
import torch.nn as nn
import torch.nn.functional as F


class ResBlock(nn.Module):
    def __init__(self, dim, dropout):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.lin1 = nn.Linear(dim, 2 * dim)
        self.lin2 = nn.Linear(2 * dim, dim)
        self.p = dropout

    def forward(self, x):
        h = F.dropout(F.relu(self.lin1(self.norm(x))), self.p, training=self.training)
        return x + F.dropout(self.lin2(h), p=self.p, training=self.training)


class ResNetTabular(nn.Module):
    def __init__(self, d_in, classes, dim=128, blocks=4, dropout=0.1):
        super().__init__()
        self.first = nn.Linear(d_in, dim)
        self.blocks = nn.ModuleList([ResBlock(dim, dropout) for _ in range(blocks)])
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.ReLU(), nn.Linear(dim, classes))

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def fit(x, y, x_val, y_val, classes):
    model = ResNetTabular(x.shape[1], classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=0.01, decoupled_weight_decay=True)
    for epoch in range(100):
        model.train()
        for rows in torch.randperm(len(x)).split(256):
            loss = F.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(epoch, F.cross_entropy(model(x_val), y_val).item())
