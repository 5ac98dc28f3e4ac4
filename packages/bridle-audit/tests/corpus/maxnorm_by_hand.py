# Movement decoding from EEG windows; each unit's weights are to stay within a ball.
import torch
from torch import nn


class Decoder(nn.Module):
    def __init__(self, channels, samples, classes):
        super().__init__()
        self.temporal = nn.Conv1d(channels, 40, 25)
        self.norm = nn.BatchNorm1d(40)
        self.pool = nn.AvgPool1d(15, 7)
        length = (samples - 24 - 15) // 7 + 1
        self.classifier = nn.Linear(40 * length, classes)

    def forward(self, x):
        x = self.pool(torch.square(self.norm(self.temporal(x))))
        return self.classifier(torch.log(x.clamp(min=1e-6)).flatten(1))


def max_norm(layer, limit=0.5):
    with torch.no_grad():
        norms = layer.weight.norm(2, dim=0, keepdim=True)  # finds: max-norm-wrong-axis
        layer.weight.mul_(norms.clamp(max=limit) / (norms + 1e-8))  # or finds: max-norm-wrong-axis


def fit(decoder, windows, labels, epochs=100, batch_size=32):
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    for _ in range(epochs):
        decoder.train()
        for rows in torch.randperm(len(windows)).split(batch_size):
            loss = criterion(decoder(windows[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            max_norm(decoder.classifier)  # or finds: max-norm-wrong-axis
