# Multiple instances: softmax within the network, for attention, and a sigmoid for the probability with BCELoss.
import torch
import torch.nn as nn


class AttentionMIL(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(512, 128), nn.ReLU(), nn.Dropout(0.25))
        self.attention = nn.Sequential(nn.Linear(128, 64), nn.Tanh(), nn.Linear(64, 1))
        self.classifier = nn.Sequential(nn.Linear(128, 1), nn.Sigmoid())

    def forward(self, bag):
        h = self.features(bag)
        a = torch.softmax(self.attention(h), dim=0)
        return self.classifier((a * h).sum(0)).squeeze(-1)


def train(bags, labels, epochs=20):
    model = AttentionMIL()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=1e-4)
    loss_fn = nn.BCELoss()
    for epoch in range(epochs):
        model.train()
        for bag, label in zip(bags, labels):
            optimizer.zero_grad()
            loss = loss_fn(model(bag), label.float())
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.inference_mode():
        return [model(bag).item() for bag in bags]
