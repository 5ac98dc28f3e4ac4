# Speaker embeddings with one-dimensional convolutions.
import torch
from torch import nn, optim


def tdnn(cin, cout, context, dilation):
    return nn.Sequential(
        nn.Conv1d(cin, cout, context, dilation=dilation),
        nn.ReLU(),
        nn.BatchNorm1d(cout, affine=False, track_running_stats=False),  # finds: batch-norm-without-statistics
    )


class XVector(nn.Module):
    def __init__(self, speakers):
        super().__init__()
        self.frames = nn.Sequential(tdnn(24, 512, 5, 1), tdnn(512, 512, 3, 2), tdnn(512, 1500, 1, 1))
        self.segment = nn.Linear(3000, 512)
        self.output = nn.Linear(512, speakers)

    def forward(self, x):
        x = self.frames(x)
        stats = torch.cat([x.mean(2), x.std(2)], dim=1)
        return self.output(torch.relu(self.segment(stats)))


def train(loader, valid, speakers, epochs=10):
    net = XVector(speakers)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.95)  # finds: smoothing-too-strong
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-5)
    for epoch in range(epochs):
        net.train()
        for features, speaker in loader:
            loss = criterion(net(features), speaker)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.inference_mode():
            hits = sum((net(f).argmax(1) == s).sum().item() for f, s in valid)
        print(epoch, hits)
