# Smooth targets by scatter, a loss that smooths again, and a checkpoint without the average.
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def smooth(labels, classes, eps=0.1):
    target = torch.full((len(labels), classes), eps / (classes - 1))
    return target.scatter_(1, labels.unsqueeze(1), 1 - eps)  # or finds: smoothed-twice


def train(model, loader, val_loader, classes, epochs=90):
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)  # or finds: state-not-saved
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)  # finds: smoothed-twice
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for epoch in range(epochs):
        model.train()
        for x, y in loader:
            loss = criterion(model(x), smooth(y, classes))  # or finds: smoothed-twice
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ema.update_parameters(model)
        model.eval()
        with torch.no_grad():
            val = sum(criterion(model(x), y).item() for x, y in val_loader) / len(val_loader)  # finds: smoothed-validation-loss
        print(epoch, val)
        torch.save({"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, "ckpt.pt")  # finds: state-not-saved
