# A U-Net with cross-entropy and a soft Dice loss that takes its own softmax.
import torch
import torch.nn as nn
import torch.nn.functional as F


class DoubleConv(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True),
            nn.Conv2d(cout, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class UNet(nn.Module):
    def __init__(self, channels=3, classes=2):
        super().__init__()
        self.inc = DoubleConv(channels, 64)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(64, 128))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(128, 256))
        self.up1 = nn.ConvTranspose2d(256, 128, 2, stride=2)
        self.conv1 = DoubleConv(256, 128)
        self.up2 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.conv2 = DoubleConv(128, 64)
        self.outc = nn.Conv2d(64, classes, 1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x = self.conv1(torch.cat([x2, self.up1(x3)], dim=1))
        x = self.conv2(torch.cat([x1, self.up2(x)], dim=1))
        return self.outc(x)


def dice_loss(probabilities, target, eps=1e-6):
    inter = 2 * (probabilities * target).sum(dim=(-1, -2))
    return 1 - ((inter + eps) / (probabilities.sum((-1, -2)) + target.sum((-1, -2)) + eps)).mean()


def train(net, loader, val_loader, device, epochs=20):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=3e-5)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        net.train()
        for images, masks in loader:
            images, masks = images.to(device), masks.to(device)
            pred = net(images)
            loss = criterion(pred, masks)
            loss += dice_loss(F.softmax(pred, dim=1).float(), F.one_hot(masks, 2).permute(0, 3, 1, 2).float())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        print(epoch, evaluate(net, val_loader, device))


@torch.inference_mode()
def evaluate(net, loader, device):
    net.eval()
    scores = []
    for images, masks in loader:
        hard = F.one_hot(net(images.to(device)).argmax(1), 2).permute(0, 3, 1, 2).float().cpu()
        scores.append(1 - dice_loss(hard, F.one_hot(masks, 2).permute(0, 3, 1, 2).float()).item())
    net.train()
    return sum(scores) / len(scores)
