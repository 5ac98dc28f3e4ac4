# Genres of films from their posters: one logit per label.
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18


def main(train_loader, val_loader, labels=25, epochs=15):
    net = resnet18(weights="DEFAULT")
    net.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(net.fc.in_features, labels))
    optimizer = torch.optim.AdamW(
        [{"params": [p for n, p in net.named_parameters() if not n.startswith("fc.")], "lr": 1e-5},
         {"params": net.fc.parameters(), "lr": 1e-3}],
        weight_decay=1e-2,
    )
    for epoch in range(epochs):
        net.train()
        for poster, genres in train_loader:
            logits = net(poster)
            loss = F.binary_cross_entropy_with_logits(logits, genres)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        found = true = both = 0
        with torch.no_grad():
            for poster, genres in val_loader:
                predicted = net(poster).sigmoid() > 0.5
                found += predicted.sum().item()
                true += genres.sum().item()
                both += (predicted & genres.bool()).sum().item()
        print(epoch, 2 * both / (found + true))
