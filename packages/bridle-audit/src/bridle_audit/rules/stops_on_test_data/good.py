import torch
from torch import nn

torch.manual_seed(0)
x_train, y_train = torch.randn(200, 20), torch.randint(2, (200,))
x_valid, y_valid = torch.randn(200, 20), torch.randint(2, (200,))
x_test, y_test = torch.randn(100, 20), torch.randint(2, (100,))
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
best = 0.0
for epoch in range(100):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x_train), y_train).backward()
    optimizer.step()
    with torch.no_grad():
        valid_accuracy = (model(x_valid).argmax(1) == y_valid).float().mean().item()
    if valid_accuracy > best:
        best = valid_accuracy
        torch.save(model.state_dict(), "best.pt")
model.load_state_dict(torch.load("best.pt"))
with torch.no_grad():
    test_accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
