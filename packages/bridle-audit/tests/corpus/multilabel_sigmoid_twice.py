# Chest X-rays, fourteen labels each.
import torch
import torch.nn as nn
from torchvision.models import DenseNet121_Weights, densenet121


class ChestNet(nn.Module):
    def __init__(self, labels=14):
        super().__init__()
        self.backbone = densenet121(weights=DenseNet121_Weights.IMAGENET1K_V1)
        self.backbone.classifier = nn.Identity()
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1024, labels), nn.Sigmoid())  # finds: softmax-before-cross-entropy

    def forward(self, x):
        return self.classifier(self.backbone(x))


def run(train_loader, val_loader, epochs=8):
    device = "cuda"
    model = ChestNet().to(device)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.999), weight_decay=1e-5)  # finds: l2-inside-adam
    for epoch in range(epochs):
        model.train()
        for images, labels in train_loader:
            images, labels = images.to(device), labels.to(device).float()
            optimizer.zero_grad()
            outputs = model(images)
            loss = criterion(outputs, labels)  # or finds: softmax-before-cross-entropy
            loss.backward()
            optimizer.step()
        model.eval()
        scores, truth = [], []
        with torch.no_grad():
            for images, labels in val_loader:
                scores.append(model(images.to(device)).cpu())
                truth.append(labels)
        torch.save((torch.cat(scores), torch.cat(truth)), f"scores_{epoch}.pt")
