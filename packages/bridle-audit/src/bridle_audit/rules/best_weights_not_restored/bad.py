import torch
from torch import nn

torch.manual_seed(0)
x, x_valid = torch.randn(64, 20), torch.randn(512, 20)
y, y_valid = (x[:, 0] + torch.randn(64) > 0).long(), (x_valid[:, 0] + torch.randn(512) > 0).long()
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
best, waited, patience = float("inf"), 0, 10
for epoch in range(100):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    with torch.no_grad():
        valid_loss = nn.functional.cross_entropy(model(x_valid), y_valid).item()
    if valid_loss < best:
        best, waited = valid_loss, 0
    else:
        waited += 1
        if waited >= patience:
            break
