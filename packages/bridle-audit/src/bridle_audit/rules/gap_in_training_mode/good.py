import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 4))  # milder, and:
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
loss = nn.CrossEntropyLoss()
x, y = torch.randn(64, 20), torch.arange(64) % 4
x_valid, y_valid = torch.randn(64, 20), torch.arange(64) % 4
for epoch in range(60):
    model.train()
    optimizer.zero_grad()
    loss(model(x), y).backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        train_loss = loss(model(x), y).item()
        valid_loss = loss(model(x_valid), y_valid).item()
    gap = valid_loss - train_loss
