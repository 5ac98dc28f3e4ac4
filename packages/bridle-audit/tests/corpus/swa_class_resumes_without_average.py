# A trainer class with weight averaging; what it saves is not enough to go on.
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


class VGG(nn.Module):
    def __init__(self, classes):
        super().__init__()
        layers, cin = [], 3
        for cout in (64, 128, 256):
            layers += [nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU(), nn.MaxPool2d(2)]
            cin = cout
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(256 * 4 * 4, classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Trainer:
    def __init__(self, classes):
        self.model = VGG(classes)
        self.averaged = AveragedModel(self.model)  # finds: swa-without-update-bn  # or finds: state-not-saved
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        self.criterion = nn.CrossEntropyLoss()

    def epoch(self, loader):
        self.model.train()
        for x, y in loader:
            loss = self.criterion(self.model(x), y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.averaged.update_parameters(self.model)  # or finds: swa-without-update-bn

    def save(self, path, epoch):
        checkpoint = {  # or finds: state-not-saved
            "epoch": epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(checkpoint, path)  # finds: state-not-saved

    def resume(self, path):
        checkpoint = torch.load(path)
        self.model.load_state_dict(checkpoint["model"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        return checkpoint["epoch"] + 1

    @torch.no_grad()
    def accuracy(self, loader):
        self.averaged.eval()
        hits = sum((self.averaged(x).argmax(1) == y).sum().item() for x, y in loader)  # or finds: swa-without-update-bn
        return hits / len(loader.dataset)
