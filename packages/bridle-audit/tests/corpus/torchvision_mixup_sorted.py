# torchvision's mixup and cutmix, but the loader goes through the classes in order.
import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader, default_collate
from torchvision.transforms import v2

NUM_CLASSES = 10
mix = v2.RandomChoice([v2.CutMix(num_classes=NUM_CLASSES), v2.MixUp(num_classes=NUM_CLASSES)])  # or finds: mixup-on-sorted-batch


def collate_fn(batch):
    return mix(*default_collate(batch))


transform = v2.Compose([v2.ToImage(), v2.RandomResizedCrop(160), v2.ToDtype(torch.float32, scale=True)])
dataset = torchvision.datasets.ImageFolder("imagenette/train", transform)
loader = DataLoader(dataset, batch_size=64, num_workers=8, collate_fn=collate_fn)  # finds: mixup-on-sorted-batch

model = torchvision.models.resnet18(num_classes=NUM_CLASSES)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)

model.train()
for epoch in range(30):
    for images, targets in loader:
        loss = criterion(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
torch.save(model.state_dict(), "imagenette.pt")
