# Focal loss by hand from log_softmax; weights for classes without smoothing.
import torch
import torch.nn.functional as F
from torch import nn


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0, weight=None):
        super().__init__()
        self.gamma, self.weight = gamma, weight

    def forward(self, logits, target):
        log_p = F.log_softmax(logits, dim=1)
        ce = F.nll_loss(log_p, target, weight=self.weight, reduction="none")
        p = log_p.exp().gather(1, target.unsqueeze(1)).squeeze(1)
        return ((1 - p) ** self.gamma * ce).mean()


class SkinNet(nn.Module):
    def __init__(self, classes=8):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2), nn.GroupNorm(8, 32), nn.SiLU(), nn.Conv2d(32, 64, 3, 2), nn.GroupNorm(8, 64), nn.SiLU()
        )
        self.head = nn.Linear(64, classes)

    def forward(self, x):
        return self.head(nn.functional.dropout(self.trunk(x).mean((2, 3)), 0.4, self.training))


def fit(loaders, counts):
    model = SkinNet(len(counts))
    criterion = FocalLoss(weight=1 / torch.tensor(counts, dtype=torch.float))
    optimizer = torch.optim.RAdam(model.parameters(), lr=1e-3, weight_decay=1e-2, decoupled_weight_decay=True)
    for epoch in range(25):
        model.train()
        for x, y in loaders["train"]:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(epoch, torch.cat([model(x).softmax(1).max(1).values for x, _ in loaders["val"]]).mean().item())
