# Early stopping on a validation split; the test split is looked at once, at the end.
import torch
from torch import nn
from torch.utils.data import DataLoader, random_split

from leaves import Leaves

full = Leaves("train")
train_set, val_set = random_split(full, [0.9, 0.1], generator=torch.Generator().manual_seed(0))
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
val_loader = DataLoader(val_set, batch_size=256)
test_loader = DataLoader(Leaves("test"), batch_size=256)

model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Dropout(0.5), nn.Linear(1024, 12))
loss_function = nn.CrossEntropyLoss()
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)


def loss_on(loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += loss_function(model(x), y).item() * len(x)
    return total / len(loader.dataset)


best, waited, patience = float("inf"), 0, 7
for epoch in range(200):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss_function(model(x), y).backward()
        optimizer.step()
    current = loss_on(val_loader)
    if current < best:
        best, waited = current, 0
        best_state = {name: value.clone() for name, value in model.state_dict().items()}
    else:
        waited += 1
    if waited == patience:
        break

model.load_state_dict(best_state)
print("test loss", loss_on(test_loader))
