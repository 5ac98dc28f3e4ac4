# WGAN-GP: a penalty of the critic's gradient, which is no penalty of weights.
import torch
from torch import autograd, nn


class Generator(nn.Module):
    def __init__(self, latent=64, out=784):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, out), nn.Sigmoid()
        )

    def forward(self, z):
        return self.net(z)


class Critic(nn.Module):
    def __init__(self, size=784):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(size, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1))

    def forward(self, x):
        return self.net(x).squeeze(1)


def gradient_penalty(critic, real, fake):
    eps = torch.rand(real.size(0), 1)
    mixed = (eps * real + (1 - eps) * fake).requires_grad_(True)
    scores = critic(mixed)
    (gradient,) = autograd.grad(scores.sum(), mixed, create_graph=True)
    return ((gradient.norm(2, dim=1) - 1) ** 2).mean()


def train(loader, epochs=50, n_critic=5, lambda_gp=10.0, latent=64):
    G, D = Generator(latent), Critic()
    opt_g = torch.optim.Adam(G.parameters(), lr=1e-4, betas=(0.0, 0.9))
    opt_d = torch.optim.Adam(D.parameters(), lr=1e-4, betas=(0.0, 0.9))
    for epoch in range(epochs):
        for i, (real, _) in enumerate(loader):
            real = real.flatten(1)
            with torch.no_grad():
                fake = G(torch.randn(len(real), latent))
            loss_d = D(fake).mean() - D(real).mean() + lambda_gp * gradient_penalty(D, real, fake)
            opt_d.zero_grad()
            loss_d.backward()
            opt_d.step()
            if i % n_critic == 0:
                loss_g = -D(G(torch.randn(len(real), latent))).mean()
                opt_g.zero_grad()
                loss_g.backward()
                opt_g.step()
        print(epoch, loss_d.item())
