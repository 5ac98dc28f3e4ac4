# Transfer learning; the mode is set once and lost at the first validation.
import copy

import torch
from torch import nn, optim
from torchvision import models


def main(dataloaders, sizes):
    device = torch.device("cuda:0")
    net = models.resnet34(weights="IMAGENET1K_V1")
    net.fc = nn.Linear(net.fc.in_features, 2)
    net = net.to(device)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.5)  # finds: smoothing-too-strong
    optimizer = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    best, best_acc = copy.deepcopy(net.state_dict()), 0.0

    net.train()  # or finds: training-in-evaluation-mode
    for epoch in range(25):  # or finds: training-in-evaluation-mode
        running = 0.0
        for inputs, labels in dataloaders["train"]:
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()  # or finds: training-in-evaluation-mode
            optimizer.step()
            running += loss.item() * inputs.size(0)

        net.eval()  # finds: training-in-evaluation-mode
        hits = 0
        with torch.no_grad():
            for inputs, labels in dataloaders["val"]:
                hits += (net(inputs.to(device)).argmax(1).cpu() == labels).sum().item()
        accuracy = hits / sizes["val"]
        print(f"{epoch} loss {running / sizes['train']:.4f} accuracy {accuracy:.4f}")
        if accuracy > best_acc:
            best_acc, best = accuracy, copy.deepcopy(net.state_dict())

    net.load_state_dict(best)
    return net
