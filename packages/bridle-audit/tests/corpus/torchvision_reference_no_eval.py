# Training as in torchvision's reference scripts, with a network of one's own.
import datetime
import time

import torch
import torchvision
from torch import nn
from torchvision import transforms


def conv_bn(cin, cout, stride):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, stride, 1, bias=False),
        nn.BatchNorm2d(cout, momentum=0.99),  # finds: batch-norm-momentum
        nn.ReLU(inplace=True),
    )


class SmallNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem = conv_bn(3, 32, 2)
        self.body = nn.Sequential(conv_bn(32, 64, 2), conv_bn(64, 128, 2), conv_bn(128, 256, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(256, num_classes)

    def forward(self, x):
        x = self.pool(self.body(self.stem(x)))
        return self.fc(torch.flatten(x, 1))


def train_one_epoch(model, criterion, optimizer, data_loader, device, epoch):
    model.train()
    for image, target in data_loader:
        image, target = image.to(device), target.to(device)
        loss = criterion(model(image), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def evaluate(model, criterion, data_loader, device):  # or finds: validation-in-training-mode
    total_loss, correct = 0.0, 0
    with torch.inference_mode():  # or finds: validation-in-training-mode
        for image, target in data_loader:
            image, target = image.to(device), target.to(device)
            output = model(image)  # finds: validation-in-training-mode
            total_loss += criterion(output, target).item()
            correct += (output.argmax(1) == target).sum().item()
    print(f"Test: loss {total_loss / len(data_loader):.3f} acc {correct / len(data_loader.dataset):.3f}")


def main(args):
    device = torch.device(args.device)
    train_set = torchvision.datasets.ImageFolder(args.train_dir, transforms.ToTensor())
    val_set = torchvision.datasets.ImageFolder(args.val_dir, transforms.ToTensor())
    train_loader = torch.utils.data.DataLoader(train_set, batch_size=32, shuffle=True, num_workers=16)
    val_loader = torch.utils.data.DataLoader(val_set, batch_size=32, num_workers=16)
    model = SmallNet(len(train_set.classes)).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    lr_scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.1)
    start = time.time()
    for epoch in range(90):
        train_one_epoch(model, criterion, optimizer, train_loader, device, epoch)
        lr_scheduler.step()
        evaluate(model, criterion, val_loader, device)
    print(datetime.timedelta(seconds=int(time.time() - start)))
