# Fine-tuning a head: the frozen backbone stays in evaluation mode while the head trains.
import torch
from torch import nn
from torchvision.models import ResNet50_Weights, resnet50


class Transfer(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.backbone = resnet50(weights=ResNet50_Weights.DEFAULT)
        features = self.backbone.fc.in_features
        self.backbone.fc = nn.Identity()
        for param in self.backbone.parameters():
            param.requires_grad = False
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(features, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, classes))

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)


def fit(loaders, classes, epochs=12):
    model = Transfer(classes)
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=1e-3, weight_decay=1e-2)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    for epoch in range(epochs):
        for phase in ["train", "val"]:
            if phase == "train":
                model.train()
            else:
                model.eval()
            running = 0
            for x, y in loaders[phase]:
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(x)
                    loss = criterion(outputs, y)
                    if phase == "train":
                        optimizer.zero_grad()
                        loss.backward()
                        optimizer.step()
                running += (outputs.argmax(1) == y).sum().item()
            print(epoch, phase, running / len(loaders[phase].dataset))
