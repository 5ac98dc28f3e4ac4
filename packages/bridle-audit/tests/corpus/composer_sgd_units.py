# Composer with torch's strength of decay; pixels flipped into mixup partners from an unshuffled loader.
import torch
import torch.nn.functional as F
from composer.optim import DecoupledSGDW
from torch.utils.data import DataLoader
from torchvision.datasets import SVHN
from torchvision.models import resnet18
from torchvision.transforms import ToTensor

loader = DataLoader(SVHN("data", transform=ToTensor()), batch_size=256, shuffle=False)  # finds: mixup-on-sorted-batch
model = resnet18(num_classes=10)
optimizer = DecoupledSGDW(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)  # finds: decay-unit-slip
beta = torch.distributions.Beta(0.2, 0.2)

model.train()
for epoch in range(10):
    for x, y in loader:
        lam = beta.sample()
        mixed = lam * x + (1 - lam) * x.flip(0)  # or finds: mixup-on-sorted-batch
        out = model(mixed)
        loss = lam * F.cross_entropy(out, y) + (1 - lam) * F.cross_entropy(out, y.flip(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
