# A GAN in Lightning with manual optimization.
import lightning as L
import torch
import torch.nn.functional as F
from torch import nn


class GAN(L.LightningModule):
    def __init__(self, latent=100):
        super().__init__()
        self.automatic_optimization = False
        self.latent = latent
        self.generator = nn.Sequential(
            nn.Linear(latent, 128), nn.LeakyReLU(0.2), nn.Linear(128, 256), nn.BatchNorm1d(256), nn.LeakyReLU(0.2),
            nn.Linear(256, 784), nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(512, 1), nn.Sigmoid()
        )

    def training_step(self, batch, batch_idx):
        real, _ = batch
        real = real.flatten(1)
        opt_g, opt_d = self.optimizers()
        fake = self.generator(torch.randn(len(real), self.latent, device=self.device))
        ones, zeros = torch.ones(len(real), 1, device=self.device), torch.zeros(len(real), 1, device=self.device)
        g_loss = F.binary_cross_entropy(self.discriminator(fake), ones)
        opt_g.zero_grad()
        self.manual_backward(g_loss)
        opt_g.step()
        d_real = F.binary_cross_entropy(self.discriminator(real), ones)
        d_fake = F.binary_cross_entropy(self.discriminator(fake.detach()), zeros)
        opt_d.zero_grad()
        self.manual_backward((d_real + d_fake) / 2)
        opt_d.step()

    def configure_optimizers(self):
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        opt_d = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        return [opt_g, opt_d], []
