# A sweep of weight decay with one run per value, and a strength in the wrong unit at its end.
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

SEED = 0
random.seed(SEED)
np.random.seed(SEED)
torch.manual_seed(SEED)  # or finds: one-seed

x, y = load_breast_cancer(return_X_y=True)
x = (x - x.mean(0)) / x.std(0)
x_train, x_val, y_train, y_val = (
    torch.tensor(each, dtype=torch.float32) for each in train_test_split(x, y, test_size=0.25, random_state=SEED)
)


def run(weight_decay, steps=400):
    model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=weight_decay)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(steps):
        loss = criterion(model(x_train), y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return ((model(x_val) > 0) == y_val.bool()).float().mean().item()


scores = {}
for wd in [0.0, 1e-3, 1e-2, 1e-1, 1.0]:  # finds: one-seed
    scores[wd] = run(wd)
best = max(scores, key=scores.get)  # or finds: one-seed
print(f"weight decay {best} is best with {scores[best]:.3f}")
final = nn.Linear(30, 1)
optimizer = torch.optim.AdamW(final.parameters(), lr=3e-3, weight_decay=10.0)  # finds: decay-unit-slip
for _ in range(200):
    loss = nn.functional.binary_cross_entropy_with_logits(final(x_train).squeeze(1), y_train)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
