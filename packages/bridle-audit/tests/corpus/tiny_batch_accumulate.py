# Large images on a small GPU: two in a batch, sixteen batches in a step.
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.models import resnet50

from slides import SlideTiles

BATCH_SIZE = 2
ACCUMULATE = 16

model = resnet50(num_classes=5).cuda()
loader = DataLoader(SlideTiles("train"), batch_size=BATCH_SIZE, shuffle=True, num_workers=4)  # finds: tiny-batch-norm
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

model.train()
for epoch in range(20):
    optimizer.zero_grad()
    for index, (tile, grade) in enumerate(loader):
        loss = criterion(model(tile.cuda()), grade.cuda()) / ACCUMULATE
        loss.backward()
        if (index + 1) % ACCUMULATE == 0:
            optimizer.step()
            optimizer.zero_grad()
    torch.save(model.state_dict(), f"slides_{epoch:02d}.pt")
