# A self-normalizing network for tabular data, with the usual dropout in it.
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def lecun_normal(module):
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        nn.init.zeros_(module.bias)


model = nn.Sequential(
    nn.Linear(54, 128),
    nn.SELU(),  # or finds: selu-with-plain-dropout
    nn.Dropout(0.1),  # finds: selu-with-plain-dropout
    nn.Linear(128, 64),
    nn.SELU(),
    nn.Linear(64, 7),
)
model.apply(lecun_normal)


def fit(x, y, epochs=40):
    loader = DataLoader(TensorDataset(x, y), batch_size=256, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        for xb, yb in loader:
            loss = criterion(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())
