# Mixup by hand: every row with its neighbour, and an average of the weights that is too long.
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from birds import BirdSounds


def mixup(x, y, alpha=0.4):
    lam = np.random.beta(alpha, alpha)
    return lam * x + (1 - lam) * x.roll(1, 0), y, y.roll(1, 0), lam  # or finds: mixup-on-sorted-batch


net = nn.Sequential(
    nn.Conv1d(1, 32, 80, stride=4), nn.ReLU(), nn.MaxPool1d(4),
    nn.Conv1d(32, 64, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 20),
)
ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9999))  # finds: average-too-long
loader = DataLoader(BirdSounds("train"), batch_size=64, shuffle=False)  # finds: mixup-on-sorted-batch
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

step, max_steps = 0, 1000
while step < max_steps:
    for x, y in loader:
        x, ya, yb, lam = mixup(x, y)  # or finds: mixup-on-sorted-batch
        out = net(x)
        loss = lam * F.cross_entropy(out, ya) + (1 - lam) * F.cross_entropy(out, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ema.update_parameters(net)
        step += 1
        if step == max_steps:
            break
torch.save(ema.module.state_dict(), "birds.pt")
