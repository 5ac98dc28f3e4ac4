# CIFAR-100 with a hand-written L2 term and AdamW as it comes.
import torch
import torch.nn as nn
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms


def l2_of_weights(model):
    total = 0.0
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            total = total + module.weight.square().sum()
    return total


class Trainer:
    def __init__(self, model, train_loader, val_loader, lam=1e-4):
        self.model, self.train_loader, self.val_loader, self.lam = model, train_loader, val_loader, lam
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)  # finds: double-decay, unstated-decay

    def train_epoch(self):
        self.model.train()
        for x, y in self.train_loader:
            loss = self.criterion(self.model(x), y) + self.lam * l2_of_weights(self.model)  # or finds: double-decay
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        return sum((self.model(x).argmax(1) == y).sum().item() for x, y in self.val_loader) / len(self.val_loader.dataset)


def main():
    crop = transforms.Compose([transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    train_set = datasets.CIFAR100("data", train=True, transform=crop, download=True)
    val_set = datasets.CIFAR100("data", train=False, transform=transforms.ToTensor())
    trainer = Trainer(
        models.resnet18(num_classes=100),
        DataLoader(train_set, batch_size=128, shuffle=True),
        DataLoader(val_set, batch_size=512),
    )
    for epoch in range(30):
        trainer.train_epoch()
        print(epoch, trainer.evaluate())


if __name__ == "__main__":
    main()
