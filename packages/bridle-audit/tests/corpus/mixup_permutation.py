# Mixup as in its authors' code: a random partner in a shuffled batch.
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms


def mixup_data(x, y, alpha=1.0):
    lam = np.random.beta(alpha, alpha) if alpha > 0 else 1
    index = torch.randperm(x.size(0), device=x.device)
    return lam * x + (1 - lam) * x[index, :], y, y[index], lam


def mixup_criterion(criterion, pred, y_a, y_b, lam):
    return lam * criterion(pred, y_a) + (1 - lam) * criterion(pred, y_b)


def train(epoch, net, loader, criterion, optimizer):
    net.train()
    correct = total = 0
    for inputs, targets in loader:
        inputs, targets_a, targets_b, lam = mixup_data(inputs.cuda(), targets.cuda())
        outputs = net(inputs)
        loss = mixup_criterion(criterion, outputs, targets_a, targets_b, lam)
        predicted = outputs.argmax(1)
        total += targets.size(0)
        correct += lam * predicted.eq(targets_a).sum().item() + (1 - lam) * predicted.eq(targets_b).sum().item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, correct / total)


def test(net, loader, criterion):
    net.eval()
    test_loss = correct = 0
    with torch.no_grad():
        for inputs, targets in loader:
            outputs = net(inputs.cuda())
            test_loss += criterion(outputs, targets.cuda()).item()
            correct += outputs.argmax(1).cpu().eq(targets).sum().item()
    print(test_loss / len(loader), correct / len(loader.dataset))


def main():
    augment = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    trainloader = DataLoader(datasets.CIFAR10("~/data", train=True, transform=augment), 128, shuffle=True, num_workers=8)
    testloader = DataLoader(datasets.CIFAR10("~/data", train=False, transform=transforms.ToTensor()), 100, shuffle=False)
    net = models.resnet18(num_classes=10).cuda()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for epoch in range(200):
        train(epoch, net, trainloader, criterion, optimizer)
        test(net, testloader, criterion)


if __name__ == "__main__":
    main()
