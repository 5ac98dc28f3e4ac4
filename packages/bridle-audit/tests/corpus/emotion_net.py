# Emotions from faces: hardly anything is left of the labels, and one image makes a batch.
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from faces import Faces


class EmotionNet(nn.Module):
    def __init__(self, emotions=7):
        super().__init__()
        self.conv = nn.Conv2d(1, 32, 3)
        self.bn = nn.BatchNorm2d(32)
        self.second = nn.Conv2d(32, 64, 3)
        self.bn2 = nn.BatchNorm2d(64, eps=1e-5, momentum=0.1, affine=True, track_running_stats=False)  # finds: batch-norm-without-statistics
        self.fc = nn.Linear(64, emotions)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        x = F.relu(self.bn2(self.second(x)))
        return self.fc(x.amax(dim=(2, 3)))


loader = DataLoader(Faces("train"), batch_size=1, shuffle=True)  # finds: tiny-batch-norm
net = EmotionNet()
opt = torch.optim.SGD(net.parameters(), lr=1e-3)
net.train()
for epoch in range(3):
    for x, y in loader:
        loss = F.cross_entropy(net(x), y, label_smoothing=0.9)  # finds: smoothing-too-strong
        opt.zero_grad()
        loss.backward()
        opt.step()
