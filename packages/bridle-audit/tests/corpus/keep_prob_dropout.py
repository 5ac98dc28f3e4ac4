# A port of a TensorFlow 1 network; 0.9 was the probability to keep.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import ToTensor

KEEP_PROB = 0.9


class ConvNet(nn.Module):
    def __init__(self, keep_prob=KEEP_PROB):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.fc1 = nn.Linear(7 * 7 * 64, 1024)
        self.drop = nn.Dropout(KEEP_PROB)  # finds: extreme-dropout
        self.fc2 = nn.Linear(1024, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.view(-1, 7 * 7 * 64)))
        return self.fc2(self.drop(x))


def accuracy(model, loader):
    correct = 0
    with torch.no_grad():  # or finds: validation-in-training-mode
        for x, y in loader:
            correct += (model(x).argmax(dim=1) == y).sum().item()  # finds: validation-in-training-mode
    return correct / len(loader.dataset)


train_loader = DataLoader(datasets.MNIST("data", True, ToTensor(), download=True), batch_size=50, shuffle=True)
test_loader = DataLoader(datasets.MNIST("data", False, ToTensor()), batch_size=500)
model = ConvNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
for epoch in range(20):
    for x, y in train_loader:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, accuracy(model, test_loader))
