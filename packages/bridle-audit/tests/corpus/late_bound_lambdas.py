# Per-layer penalties as a list of functions.
import torch
from torch import nn

model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5))
strengths = [1e-3, 1e-4, 1e-4]

penalties = []
for layer, strength in zip([m for m in model if isinstance(m, nn.Linear)], strengths):
    penalties.append(lambda: strength * layer.weight.pow(2).sum())  # finds: late-bound-penalty

criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def step(x, y):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    for penalty in penalties:
        loss = loss + penalty()
    loss.backward()
    optimizer.step()
    return loss.item()


generator = torch.Generator().manual_seed(0)
inputs = torch.randn(512, 20, generator=generator)
targets = torch.randint(0, 5, (512,), generator=generator)
for epoch in range(20):
    for batch in torch.randperm(512, generator=generator).split(64):
        value = step(inputs[batch], targets[batch])
    print(epoch, value)
