# Two criteria: a smoothed one to train with, a plain one to judge with.
from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass
class Config:
    lr: float = 0.05
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    epochs: int = 30
    widths: list[int] = field(default_factory=lambda: [256, 128])


def build(config, inputs, classes):
    layers = []
    for width in config.widths:
        layers += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(0.1)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


class Experiment:
    def __init__(self, config, loaders, inputs, classes):
        self.config, self.loaders = config, loaders
        self.model = build(config, inputs, classes)
        self.train_criterion = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)
        self.eval_criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=config.lr, momentum=0.9, weight_decay=config.weight_decay
        )

    def run(self):
        for epoch in range(self.config.epochs):
            self.train()
            train_loss, val_loss = self.evaluate("train"), self.evaluate("val")
            print(f"{epoch}: train {train_loss:.4f}, val {val_loss:.4f}, gap {val_loss - train_loss:.4f}")

    def train(self):
        self.model.train()
        for x, y in self.loaders["train"]:
            self.optimizer.zero_grad()
            self.train_criterion(self.model(x), y).backward()
            self.optimizer.step()

    @torch.no_grad()
    def evaluate(self, split):
        self.model.eval()
        losses = [self.eval_criterion(self.model(x), y) for x, y in self.loaders[split]]
        return torch.stack(losses).mean().item()
