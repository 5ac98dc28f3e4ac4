# The gap of generalization, from a training loss with dropout on.
import torch
from torch import nn
from torch.utils.data import DataLoader

from sensors import Readings


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(6, 128, num_layers=2, dropout=0.4, batch_first=True)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(128, 8)

    def forward(self, x):
        _, h = self.rnn(x)
        return torch.relu(self.fc(self.drop(h[-1])))  # finds: relu-on-logits


train_loader = DataLoader(Readings("train"), batch_size=64, shuffle=True)
val_loader = DataLoader(Readings("val"), batch_size=256)
net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

for epoch in range(30):
    net.train()
    train_loss = 0.0
    for x, y in train_loader:
        loss = criterion(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(y)
    train_loss /= len(train_loader.dataset)

    net.eval()
    val_loss = 0.0
    with torch.no_grad():
        for x, y in val_loader:
            val_loss += criterion(net(x), y).item() * len(y)
    val_loss /= len(val_loader.dataset)
    gap = val_loss - train_loss  # finds: gap-in-training-mode
    print(f"{epoch} train {train_loss:.4f} val {val_loss:.4f} gap {gap:.4f}")
