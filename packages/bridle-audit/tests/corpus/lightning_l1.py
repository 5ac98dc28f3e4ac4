# A sparse autoencoder's cousin: an L1 penalty of all parameters in Lightning.
import pytorch_lightning as pl
import torch
from torch import nn


class SparseNet(pl.LightningModule):
    def __init__(self, in_features, l1_strength=1e-5):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Linear(in_features, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1)
        )
        self.loss = nn.BCEWithLogitsLoss()

    def forward(self, x):
        return self.net(x).squeeze(-1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.loss(self(x), y.float())
        l1 = sum(torch.norm(p, 1) for p in self.parameters())  # finds: subgradient-l1, penalized-bias
        loss = loss + self.hparams.l1_strength * l1  # or finds: subgradient-l1, penalized-bias
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_acc", ((self(x) > 0) == y.bool()).float().mean())

    def on_train_end(self):
        zeros = sum((p == 0).sum().item() for p in self.parameters())
        print(f"{zeros} weights are exactly zero")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)
