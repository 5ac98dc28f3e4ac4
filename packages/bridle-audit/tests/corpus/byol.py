# BYOL: a slow target network, moved after each step, in training mode as in the paper.
import copy

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18


def mlp(size, hidden=512):
    return nn.Sequential(nn.Linear(size, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, size))


class BYOL(nn.Module):
    def __init__(self, tau=0.99):
        super().__init__()
        self.online = nn.Sequential(resnet18(num_classes=128), mlp(128))
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.predictor = mlp(128)
        self.tau = tau

    @torch.no_grad()
    def move_target(self):
        for slow, fast in zip(self.target.parameters(), self.online.parameters()):
            slow.mul_(self.tau).add_(fast, alpha=1 - self.tau)

    def forward(self, a, b):
        with torch.no_grad():
            ta, tb = self.target(a), self.target(b)
        pa, pb = self.predictor(self.online(a)), self.predictor(self.online(b))
        return 4 - 2 * F.cosine_similarity(pa, tb).mean() - 2 * F.cosine_similarity(pb, ta).mean()


def pretrain(loader, epochs=100):
    model = BYOL()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.06, momentum=0.9, weight_decay=5e-4)
    model.train()
    for epoch in range(epochs):
        for (a, b), _ in loader:
            loss = model(a, b)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            model.move_target()
    return model.online
