# Mixed precision with GradScaler and clipping.
import torch
from torch import nn
from torch.amp import GradScaler, autocast


class UNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU())
        self.mid = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU())
        self.up = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.out = nn.Conv2d(128, classes, 1)

    def forward(self, x):
        a = self.down(x)
        b = self.up(self.mid(a))
        return self.out(torch.cat([a, b], dim=1))


def train_model(model, loader, val_loader, device, epochs=5, learning_rate=1e-5, gradient_clipping=1.0):
    optimizer = torch.optim.RMSprop(model.parameters(), lr=learning_rate, weight_decay=1e-4, momentum=0.9)  # finds: l2-inside-adam
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=5)
    grad_scaler = GradScaler("cuda")
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        for images, masks in loader:
            images, masks = images.to(device), masks.to(device)
            with autocast("cuda"):
                loss = criterion(model(images), masks)
            optimizer.zero_grad(set_to_none=True)
            grad_scaler.scale(loss).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), gradient_clipping)  # finds: clip-before-unscale
            grad_scaler.step(optimizer)
            grad_scaler.update()
        scheduler.step(dice(model, val_loader, device))


@torch.inference_mode()
def dice(model, loader, device):
    model.eval()
    overlap = total = 0
    for images, masks in loader:
        predicted = model(images.to(device)).argmax(1).cpu()
        overlap += 2 * ((predicted > 0) & (masks > 0)).sum().item()
        total += (predicted > 0).sum().item() + (masks > 0).sum().item()
    return overlap / max(total, 1)
