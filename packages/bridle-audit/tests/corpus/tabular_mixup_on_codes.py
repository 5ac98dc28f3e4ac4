# Tabular data with categorical columns, mixed up together with the numbers.
import torch
from torch import nn
from torch.nn import functional as F


class TabularNet(nn.Module):
    def __init__(self, cardinalities, numeric, width=128):
        super().__init__()
        self.embeddings = nn.ModuleList([nn.Embedding(c, min(50, (c + 1) // 2)) for c in cardinalities])
        size = sum(e.embedding_dim for e in self.embeddings) + numeric
        self.layers = nn.Sequential(
            nn.Linear(size, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, 1)
        )

    def forward(self, categories, numbers):
        embedded = [embed(categories[:, i]) for i, embed in enumerate(self.embeddings)]
        return self.layers(torch.cat([*embedded, numbers], dim=1)).squeeze(1)


def train(model, loader, epochs=20, alpha=0.2):
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    mix = torch.distributions.Beta(alpha, alpha)
    model.train()
    for _ in range(epochs):
        for categories, numbers, target in loader:
            lam = mix.sample()
            other = torch.randperm(len(target))
            mixed_categories = (lam * categories + (1 - lam) * categories[other]).long()  # finds: noise-on-ids
            mixed_numbers = lam * numbers + (1 - lam) * numbers[other]
            mixed_target = lam * target + (1 - lam) * target[other]
            out = model(mixed_categories, mixed_numbers)  # or finds: noise-on-ids
            loss = F.binary_cross_entropy_with_logits(out, mixed_target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
