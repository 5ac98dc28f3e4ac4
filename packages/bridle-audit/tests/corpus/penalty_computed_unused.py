# A recommender of factors; the penalty is printed and nothing else.
import torch
from torch import nn


class Factors(nn.Module):
    def __init__(self, users, items, k=32):
        super().__init__()
        self.user = nn.Embedding(users, k)
        self.item = nn.Embedding(items, k)
        self.mlp = nn.Sequential(nn.Linear(2 * k, 64), nn.ReLU(), nn.Dropout(0.9), nn.Linear(64, 1))  # finds: extreme-dropout

    def forward(self, u, i):
        return self.mlp(torch.cat([self.user(u), self.item(i)], dim=-1)).squeeze(-1)


def train(model, loader, valid_loader, epochs=10, reg=1e-5):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.MSELoss()
    for epoch in range(epochs):
        model.train()
        for u, i, rating in loader:
            optimizer.zero_grad()
            loss = criterion(model(u, i), rating)
            l2 = reg * (model.user.weight.pow(2).sum() + model.item.weight.pow(2).sum())  # or finds: penalty-never-added
            total = loss + l2  # finds: penalty-never-added
            loss.backward()
            optimizer.step()
        print(epoch, rmse(model, valid_loader))


def rmse(model, loader):
    model.eval()
    squared = count = 0
    with torch.no_grad():
        for u, i, rating in loader:
            squared += ((model(u, i) - rating) ** 2).sum().item()
            count += len(rating)
    return (squared / count) ** 0.5
