# A perceptron on Fashion-MNIST, everything at the top level.
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import FashionMNIST
from torchvision.transforms import ToTensor

train_loader = DataLoader(FashionMNIST("data", train=True, download=True, transform=ToTensor()), 128, shuffle=True)
test_loader = DataLoader(FashionMNIST("data", train=False, transform=ToTensor()), 512)

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(784, 256),
    nn.ReLU(),
    nn.Linear(256, 128),
    nn.ReLU(),
    nn.Linear(128, 10),
    nn.Dropout(0.3),  # finds: dropout-on-logits
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-12)  # finds: l2-inside-adam, decay-below-resolution

for epoch in range(10):
    model.train()
    for X, y in train_loader:
        loss = loss_fn(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    hits = 0
    with torch.no_grad():
        for X, y in test_loader:
            hits += (model(X).argmax(1) == y).sum().item()
    print(epoch, hits / len(test_loader.dataset))
