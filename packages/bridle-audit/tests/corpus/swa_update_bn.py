# Stochastic weight averaging as the documentation shows it, with update_bn at the end.
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torchvision.models import wide_resnet50_2


def train(loader, val_loader, epochs=300, swa_start=160):
    model = wide_resnet50_2(num_classes=100)
    swa_model = AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    scheduler = CosineAnnealingLR(optimizer, T_max=300)
    swa_scheduler = SWALR(optimizer, swa_lr=0.05)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        for input, target in loader:
            optimizer.zero_grad()
            loss_fn(model(input), target).backward()
            optimizer.step()
        if epoch > swa_start:
            swa_model.update_parameters(model)
            swa_scheduler.step()
        else:
            scheduler.step()
    update_bn(loader, swa_model)
    swa_model.eval()
    with torch.no_grad():
        return sum((swa_model(x).argmax(1) == y).sum().item() for x, y in val_loader) / len(val_loader.dataset)
