# Which dropout rate is best? One run each, and the gap of accuracies seen while training.
import torch
import torch.nn.functional as F
from torch import nn


def make_net(rate):
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Dropout(rate), nn.Linear(512, 512), nn.ReLU(), nn.Dropout(rate), nn.Linear(512, 10)
    )


def train_epoch(net, loader, optimizer):
    net.train()
    hits = seen = 0
    for x, y in loader:
        out = net(x.flatten(1))
        loss = F.cross_entropy(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        hits += (out.argmax(1) == y).sum().item()
        seen += len(y)
    return hits / seen


@torch.no_grad()
def accuracy(net, loader):
    net.eval()
    return sum((net(x.flatten(1)).argmax(1) == y).sum().item() for x, y in loader) / len(loader.dataset)


def compare(train_loader, val_loader):
    results = {}
    for rate in (0.1, 0.2, 0.3, 0.5):  # or finds: one-seed
        torch.manual_seed(42)  # finds: one-seed
        net = make_net(rate)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for _ in range(20):
            train_acc = train_epoch(net, train_loader, optimizer)
        val_acc = accuracy(net, val_loader)
        print(f"p={rate}: train - val = {train_acc - val_acc:.4f}")  # finds: gap-in-training-mode
        results[rate] = val_acc
    best = max(results, key=results.get)  # or finds: one-seed
    print("best rate", best)
    return best
