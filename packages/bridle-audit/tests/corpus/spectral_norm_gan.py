# A GAN with spectral norm and the hinge loss; the generator's average has instance norms only.
import copy

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

G = nn.Sequential(
    nn.Unflatten(1, (128, 1, 1)),
    nn.ConvTranspose2d(128, 256, 4), nn.InstanceNorm2d(256, affine=True), nn.ReLU(),
    nn.ConvTranspose2d(256, 128, 4, 2, 1), nn.InstanceNorm2d(128, affine=True), nn.ReLU(),
    nn.ConvTranspose2d(128, 1, 4, 2, 1), nn.Tanh(),
)
D = nn.Sequential(
    spectral_norm(nn.Conv2d(1, 64, 4, 2, 1)), nn.LeakyReLU(0.1),
    spectral_norm(nn.Conv2d(64, 128, 4, 2, 1)), nn.LeakyReLU(0.1),
    nn.Flatten(), spectral_norm(nn.Linear(128 * 4 * 4, 1)),
)
G_average = copy.deepcopy(G)
opt_g = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.0, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.0, 0.9))


@torch.no_grad()
def accumulate(decay=0.999):
    for average, current in zip(G_average.parameters(), G.parameters()):
        average.mul_(decay).add_(current, alpha=1 - decay)


def train(loader, epochs=100):
    for epoch in range(epochs):
        for real, _ in loader:
            z = torch.randn(len(real), 128)
            loss_d = F.relu(1 - D(real)).mean() + F.relu(1 + D(G(z).detach())).mean()
            opt_d.zero_grad()
            loss_d.backward()
            opt_d.step()
            loss_g = -D(G(torch.randn(len(real), 128))).mean()
            opt_g.zero_grad()
            loss_g.backward()
            opt_g.step()
            accumulate()
        torch.save(G_average.state_dict(), f"generator_{epoch}.pt")
