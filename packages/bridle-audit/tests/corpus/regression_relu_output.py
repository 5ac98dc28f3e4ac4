# Counts that cannot be negative: a ReLU at the end is right with the squared error.
import torch
import torch.nn as nn
from sklearn.model_selection import KFold


class CountNet(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.ReLU())

    def forward(self, x):
        return self.net(x)


def train_fold(x, y, train_rows, valid_rows, epochs=300):
    model = CountNet(x.shape[1])
    nn.init.constant_(model.net[4].bias, y[train_rows].mean().item())
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = criterion(model(x[train_rows]), y[train_rows].unsqueeze(1))
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return criterion(model(x[valid_rows]), y[valid_rows].unsqueeze(1)).item()


def main(x, y):
    scores = []
    for train_rows, valid_rows in KFold(5, shuffle=True, random_state=0).split(x):
        scores.append(train_fold(x, y, torch.as_tensor(train_rows), torch.as_tensor(valid_rows)))
    scores = torch.tensor(scores)
    print(f"mse {scores.mean():.3f} +- {scores.std():.3f}")
