# Gradient accumulation with mixed precision and an L2 penalty of the weights.
import torch
from torch import nn
from torch.cuda.amp import GradScaler, autocast

ACCUMULATION = 8
L2 = 1e-4


def weight_penalty(model):
    return sum(p.pow(2).sum() for n, p in model.named_parameters() if p.ndim > 1)


def train(model, loader, epochs):
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = GradScaler()
    model.train()
    for _ in range(epochs):
        for i, (x, y) in enumerate(loader):
            with autocast():
                loss = criterion(model(x.cuda()), y.cuda()) / ACCUMULATION
                loss = loss + L2 * weight_penalty(model)  # finds: penalty-per-micro-batch
            scaler.scale(loss).backward()
            if (i + 1) % ACCUMULATION == 0:
                nn.utils.clip_grad_value_(model.parameters(), 0.5)  # finds: clip-before-unscale, clipped-penalty
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()


if __name__ == "__main__":
    from data import loaders

    train(nn.Sequential(nn.Linear(784, 512), nn.GELU(), nn.Linear(512, 10)).cuda(), loaders("train"), 10)
