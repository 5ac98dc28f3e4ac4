# Dropout rates compared over ten seeds each, with the spread.
import statistics

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

SEEDS = range(10)


def run(rate, seed):
    x, y = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = (
        torch.as_tensor(each) for each in train_test_split(x.astype("float32") / 16, y, random_state=seed)
    )
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(rate), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(40):
        model.train()
        for rows in torch.randperm(len(x_train)).split(64):
            loss = F.cross_entropy(model(x_train[rows]), y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return (model(x_val).argmax(1) == y_val).float().mean().item()


for rate in (0.0, 0.25, 0.5, 0.7):
    scores = [run(rate, seed) for seed in SEEDS]
    print(f"{rate}: {statistics.mean(scores):.4f} +- {statistics.stdev(scores):.4f}")
