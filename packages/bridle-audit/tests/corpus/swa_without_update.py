# Stochastic weight averaging of a ResNet; the average is tested as it is.
import torch
import torch.nn as nn
from torch.optim.swa_utils import SWALR, AveragedModel
from torchvision.models import resnet18


def evaluate(net, loader, device):
    net.eval()
    hits = 0
    with torch.no_grad():
        for x, y in loader:
            hits += (net(x.to(device)).argmax(1) == y.to(device)).sum().item()
    return hits / len(loader.dataset)


def main(train_loader, val_loader, epochs=100, swa_start=75):
    device = "cuda"
    model = resnet18(num_classes=10).to(device)
    swa_model = AveragedModel(model)  # or finds: swa-without-update-bn
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=swa_start)
    swa_scheduler = SWALR(optimizer, swa_lr=0.05)
    criterion = nn.CrossEntropyLoss()

    for epoch in range(epochs):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            criterion(model(x.to(device)), y.to(device)).backward()
            optimizer.step()
        if epoch >= swa_start:
            swa_model.update_parameters(model)  # or finds: swa-without-update-bn
            swa_scheduler.step()
        else:
            scheduler.step()

    print("accuracy of the average:", evaluate(swa_model, val_loader, device))  # finds: swa-without-update-bn
    torch.save(swa_model.module.state_dict(), "swa.pt")  # or finds: swa-without-update-bn
