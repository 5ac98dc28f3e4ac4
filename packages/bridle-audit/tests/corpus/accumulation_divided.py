# Gradient accumulation, where loss and penalty are divided alike.
import torch
from torch import nn

ACCUMULATE = 4
LAMBDA = 1e-4


def penalty(model):
    return sum(p.square().sum() for name, p in model.named_parameters() if "weight" in name and p.ndim > 1)


def train_epoch(model, loader, criterion, optimizer):
    model.train()
    optimizer.zero_grad()
    for i, (inputs, targets) in enumerate(loader):
        loss = criterion(model(inputs), targets) + LAMBDA * penalty(model)
        loss = loss / ACCUMULATE
        loss.backward()
        if (i + 1) % ACCUMULATE == 0:
            optimizer.step()
            optimizer.zero_grad()


def main(loader, val_loader):
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 12))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(20):
        train_epoch(model, loader, criterion, optimizer)
        with torch.no_grad():
            model.eval()
            hits = sum((model(x).argmax(1) == y).sum().item() for x, y in val_loader)
        print(epoch, hits)
