# Weights averaged over the last epochs of a flat script.
import torch
from torch import nn, optim
from torch.optim import swa_utils
from torchvision import models

from traffic import test_batches, train_batches

net = models.mobilenet_v2(num_classes=43)
average = swa_utils.AveragedModel(net)  # or finds: swa-without-update-bn
opt = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=4e-5)
criterion = nn.CrossEntropyLoss()

for epoch in range(40):
    net.train()
    for x, y in train_batches():
        opt.zero_grad()
        criterion(net(x), y).backward()
        opt.step()
    if epoch >= 30:
        average.update_parameters(net)  # or finds: swa-without-update-bn

average.eval()  # or finds: swa-without-update-bn
with torch.no_grad():
    correct = sum((average(x).argmax(1) == y).sum().item() for x, y in test_batches())  # finds: swa-without-update-bn
print(correct)
