# Each epoch reports the test accuracy and chooses nothing by it; a fixed number of epochs.
import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def get_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--wd", type=float, default=5e-4)
    parser.add_argument("--smoothing", type=float, default=0.1)
    return parser.parse_args()


def make_vgg(config=(64, "M", 128, "M", 256, "M")):
    layers, c = [], 3
    for v in config:
        if v == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(c, v, 3, padding=1), nn.BatchNorm2d(v), nn.ReLU(inplace=True)]
            c = v
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(), nn.Linear(c * 16, 100))


def main():
    args = get_args()
    train_set = datasets.CIFAR100("data", train=True, transform=transforms.ToTensor(), download=True)
    test_set = datasets.CIFAR100("data", train=False, transform=transforms.ToTensor())
    train_loader = DataLoader(train_set, 128, shuffle=True, drop_last=True)
    test_loader = DataLoader(test_set, 512)
    net = make_vgg()
    opt = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9, weight_decay=args.wd, nesterov=True)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, args.lr, epochs=30, steps_per_epoch=len(train_loader))
    smooth = nn.CrossEntropyLoss(label_smoothing=args.smoothing)
    for epoch in range(30):
        net.train()
        for x, y in train_loader:
            opt.zero_grad()
            smooth(net(x), y).backward()
            opt.step()
            sched.step()
        net.eval()
        with torch.no_grad():
            hits = sum((net(x).argmax(1) == y).sum().item() for x, y in test_loader)
        print(epoch, hits / len(test_set))


main()
