# Labels smoothed by hand, and once more by the loss; the validation loss is smoothed as well.
import torch
import torch.nn as nn
import torch.nn.functional as F

NUM_CLASSES = 100
EPS = 0.1


def smooth_one_hot(labels, classes=NUM_CLASSES, eps=EPS):
    one_hot = F.one_hot(labels, classes).float()
    return one_hot * (1 - eps) + eps / classes  # or finds: smoothed-twice


criterion = nn.CrossEntropyLoss(label_smoothing=EPS)  # or finds: smoothed-twice


def train_epoch(model, loader, optimizer):
    model.train()
    for images, labels in loader:
        targets = smooth_one_hot(labels)  # or finds: smoothed-twice
        loss = criterion(model(images), targets)  # finds: smoothed-twice
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def validate(model, loader):
    model.eval()
    total_loss = total = 0
    for images, labels in loader:
        total_loss += criterion(model(images), labels).item() * len(labels)  # finds: smoothed-validation-loss
        total += len(labels)
    return total_loss / total


def main(model, train_loader, val_loader):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, epochs=30, steps_per_epoch=len(train_loader))
    for epoch in range(30):
        train_epoch(model, train_loader, optimizer)
        scheduler.step()
        print(epoch, validate(model, val_loader))
