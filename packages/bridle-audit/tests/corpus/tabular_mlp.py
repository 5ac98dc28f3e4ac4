# Tabular data with embeddings of categories; early stopping that keeps the best weights.
import copy

import torch
from torch import nn
from torch.nn import functional as F


class TabularMLP(nn.Module):
    def __init__(self, cardinalities, numeric, hidden=(256, 128), dropout=0.2):
        super().__init__()
        self.embeds = nn.ModuleList(nn.Embedding(c, min(600, round(1.6 * c**0.56))) for c in cardinalities)
        self.emb_drop = nn.Dropout(0.04)
        self.bn_cont = nn.BatchNorm1d(numeric)
        width = sum(e.embedding_dim for e in self.embeds) + numeric
        layers = []
        for size in hidden:
            layers += [nn.Linear(width, size, bias=False), nn.BatchNorm1d(size), nn.ReLU(inplace=True), nn.Dropout(dropout)]
            width = size
        layers.append(nn.Linear(width, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, cat, cont):
        x = torch.cat([e(cat[:, i]) for i, e in enumerate(self.embeds)], 1)
        x = torch.cat([self.emb_drop(x), self.bn_cont(cont)], 1)
        return self.layers(x).squeeze(1)


class EarlyStopper:
    def __init__(self, patience=10, min_delta=0.0):
        self.patience, self.min_delta = patience, min_delta
        self.best, self.counter, self.state = float("inf"), 0, None

    def update(self, value, model):
        if value < self.best - self.min_delta:
            self.best, self.counter, self.state = value, 0, copy.deepcopy(model.state_dict())
            return False
        self.counter += 1
        return self.counter >= self.patience


def fit(model, train_loader, valid_loader, epochs=200):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    stopper = EarlyStopper()
    for epoch in range(epochs):
        model.train()
        for cat, cont, y in train_loader:
            loss = F.mse_loss(model(cat, cont), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if stopper.update(validation_loss(model, valid_loader), model):
            break
    model.load_state_dict(stopper.state)
    return model


@torch.no_grad()
def validation_loss(model, loader):
    model.eval()
    return sum(F.mse_loss(model(a, b), y, reduction="sum").item() for a, b, y in loader) / len(loader.dataset)
