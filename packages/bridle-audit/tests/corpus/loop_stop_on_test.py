# Spoken digits from spectrograms; the loop stops when nothing improves.
import torch
import torch.nn as nn
from torch.utils.data import DataLoader

from speech import SpokenDigits


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(4),
            nn.Conv2d(16, 32, 5, padding=2), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
        )
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


train_loader = DataLoader(SpokenDigits(split="train"), batch_size=64, shuffle=True)
test_loader = DataLoader(SpokenDigits(split="test"), batch_size=64)
model = ConvNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def run_epoch(loader):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()


@torch.no_grad()
def test(loader):
    model.eval()
    return sum(criterion(model(x), y).item() * len(y) for x, y in loader) / len(loader.dataset)


best_loss, patience, waited = float("inf"), 5, 0
for epoch in range(100):
    run_epoch(train_loader)
    test_loss = test(test_loader)  # finds: stops-on-test-data
    if test_loss < best_loss:  # or finds: stops-on-test-data
        best_loss, waited = test_loss, 0
        torch.save(model.state_dict(), "best.pt")
    else:
        waited += 1
        if waited >= patience:  # or finds: stops-on-test-data
            print("early stopping at", epoch)
            break  # or finds: stops-on-test-data
model.load_state_dict(torch.load("best.pt"))
print("test loss", test(test_loader))
