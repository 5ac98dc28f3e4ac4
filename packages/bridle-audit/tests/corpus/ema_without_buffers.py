# An exponential average of the weights with PyTorch's own class, as it comes.
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

model = nn.Sequential(
    nn.Conv2d(3, 64, 3, stride=2, padding=1),
    nn.BatchNorm2d(64),
    nn.SiLU(),
    nn.Conv2d(64, 128, 3, stride=2, padding=1),
    nn.BatchNorm2d(128),
    nn.SiLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(128, 37),
)
ema_model = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))  # finds: average-without-buffers
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
criterion = nn.CrossEntropyLoss()


def train(loader, val_loader, epochs=60):
    for epoch in range(epochs):
        model.train()
        for image, breed in loader:
            loss = criterion(model(image), breed)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ema_model.update_parameters(model)
        ema_model.eval()
        hits = 0
        with torch.no_grad():
            for image, breed in val_loader:
                hits += (ema_model(image).argmax(1) == breed).sum().item()
        print(epoch, hits / len(val_loader.dataset))
