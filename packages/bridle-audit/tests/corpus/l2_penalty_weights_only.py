# A hand-written L2 term over the weights alone, and no decay in the optimizer.
import torch
import torch.nn as nn

lambda_l2 = 5e-4


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)
        )
        self.classifier = nn.Sequential(nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def l2_penalty(model):
    penalty = 0.0
    for name, param in model.named_parameters():
        if "weight" in name:
            penalty = penalty + param.pow(2).sum()
    return penalty


def train(model, loader, epochs=20):
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    model.train()
    for epoch in range(epochs):
        running = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            data_loss = criterion(model(x), y)
            loss = data_loss + lambda_l2 * l2_penalty(model)
            loss.backward()
            optimizer.step()
            running += data_loss.item()
        weight_norm = sum(p.norm().item() ** 2 for p in model.parameters()) ** 0.5
        print(epoch, running / len(loader), weight_norm)
