# Music genres from mel spectrograms; activations as methods of tensors.
import torch
from torch import nn


class GenreNet(nn.Module):
    def __init__(self, bands=64, genres=10):
        super().__init__()
        self.conv = nn.Conv1d(bands, 128, 5, padding=2)
        self.out = nn.Linear(128, genres)

    def forward(self, mel):
        h = self.conv(mel).relu().mean(-1)
        logits = self.out(h).relu()  # finds: relu-on-logits
        return logits


class Runner:
    def __init__(self, net, lr):
        self.net = net
        self.opt = torch.optim.NAdam(net.parameters(), lr=lr, weight_decay=0.01)  # finds: l2-inside-adam
        self.loss = nn.CrossEntropyLoss()

    def epoch(self, loader):
        self.net.train()
        for mel, genre in loader:
            self.opt.zero_grad()
            self.loss(self.net(mel), genre).backward()
            self.opt.step()

    def accuracy(self, loader):
        self.net.eval()
        with torch.no_grad():
            return sum((self.net(m).argmax(1) == g).float().sum().item() for m, g in loader) / len(loader.dataset)
