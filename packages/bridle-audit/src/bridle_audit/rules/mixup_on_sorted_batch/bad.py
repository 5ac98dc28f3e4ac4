import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

labels = torch.arange(10).repeat_interleave(500)
dataset = TensorDataset(torch.randn(5000, 3, 8, 8), labels)
loader = DataLoader(dataset, batch_size=50)
model = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
mixup = v2.MixUp(num_classes=10)
for x, y in loader:
    x, y = mixup(x, y)
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
