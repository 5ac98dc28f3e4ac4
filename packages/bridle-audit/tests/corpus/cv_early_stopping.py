# Cross-validation with early stopping on the left-out fold and a test set that is kept apart.
import copy

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold, train_test_split
from torch import nn


def fit(x, y, train_idx, val_idx, seed, patience=15):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(x.shape[1], 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 1))
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    bce = nn.BCEWithLogitsLoss()
    best, best_net, bad = np.inf, None, 0
    for _ in range(500):
        net.train()
        for rows in np.array_split(np.random.permutation(train_idx), max(1, len(train_idx) // 64)):
            opt.zero_grad()
            bce(net(x[rows]).squeeze(1), y[rows]).backward()
            opt.step()
        net.eval()
        with torch.no_grad():
            val = bce(net(x[val_idx]).squeeze(1), y[val_idx]).item()
        if val < best:
            best, best_net, bad = val, copy.deepcopy(net), 0
        else:
            bad += 1
            if bad > patience:
                break
    return best_net


def main(x, y):
    dev, test = train_test_split(np.arange(len(x)), test_size=0.2, stratify=y, random_state=0)
    probabilities = []
    for seed, (train_idx, val_idx) in enumerate(StratifiedKFold(5, shuffle=True, random_state=1).split(x[dev], y[dev])):
        net = fit(x, y, dev[train_idx], dev[val_idx], seed)
        with torch.no_grad():
            probabilities.append(torch.sigmoid(net(x[test]).squeeze(1)))
    accuracy = ((torch.stack(probabilities).mean(0) > 0.5) == y[test].bool()).float().mean().item()
    print(accuracy)
