# A denoising autoencoder: noise on pixels, a sigmoid before BCELoss.
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU())
        self.decoder = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


loader = DataLoader(datasets.MNIST("data", transform=transforms.ToTensor(), download=True), batch_size=128, shuffle=True)
model = Autoencoder()
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(20):
    for image, _ in loader:
        image = image.view(image.size(0), -1)
        noisy = (image + 0.3 * torch.randn_like(image)).clamp(0, 1)
        loss = criterion(model(noisy), image)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
